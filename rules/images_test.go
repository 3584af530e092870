package rules

import (
	"strings"
	"testing"
)

// oneImage is a compose file with one service; the image stands at 3:12.
func oneImage(image string) string { return "services:\n  app:\n    image: " + image + "\n" }

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestImagesWithTags(t *testing.T) {
	for _, image := range []string{
		"nginx:1.27", "localhost:5000/nginx:1.27", "registry.example.org:5000/a/b/c:v1", "nginx:1.27@" + digest,
		"minio/minio:RELEASE.2025-04-22T22-12-26Z", "ghcr.io/a/app:UPPER-1", `"nginx:1.27"`, "'nginx:1.27'",
		"${REGISTRY}/nginx:1.27", "${REGISTRY}nginx:1.27", "host:${PORT}/nginx:1", "nginx:${TAG}", "nginx:${TAG:-1.27}",
		"${IMAGE:-nginx:1.27}", "${IMAGE:-${OTHER:-nginx:1.27}}", "$IMAGE:1.27", "nginx:${MAJOR:-1}.${MINOR:-27}",
		"nginx:1.27@${DIGEST}",
	} {
		t.Run(image, func(t *testing.T) { expect(t, found(t, "R003", "compose.yml", oneImage(image))) })
	}
}

func TestImagesWithoutTags(t *testing.T) {
	tests := []struct{ image, want string }{
		{"nginx", `3:12-17 image "nginx" of service "app" has no tag, which means latest; expected name:tag`},
		{"localhost:5000/nginx", `3:12-32 image "localhost:5000/nginx" of service "app" has no tag, which means latest; expected name:tag`},
		{"nginx@" + digest, `3:12-89 image "nginx@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934…" of service "app" has a digest and no tag; expected name:tag@digest`},
		{`"${IMAGE:-nginx}"`, `3:12-29 image "${IMAGE:-nginx}" of service "app" has no tag (it reads "nginx"), which means latest; expected name:tag`},
		{"${IMAGE}", `3:12-20 image "${IMAGE}" of service "app" has no tag beside variables that neither a default nor the recipe gives a value; expected name:tag`},
		{`"nginx:"`, `3:12-20 image "nginx:" of service "app" has an empty tag; expected name:tag`},
		{"nginx:${TAG:-}", `3:12-26 image "nginx:${TAG:-}" of service "app" has an empty tag (it reads "nginx:"); expected name:tag`},
		{"Nginx:1.27", `3:12-22 image "Nginx:1.27" of service "app" is no image reference: repository name (library/Nginx) must be lowercase; expected name:tag`},
		{`"nginx:1 27"`, `3:12-24 image "nginx:1 27" of service "app" is no image reference: invalid reference format; expected name:tag`},
	}
	for _, test := range tests {
		t.Run(test.image, func(t *testing.T) {
			expect(t, found(t, "R003", "compose.yml", oneImage(test.image)), "compose.yml:"+test.want)
		})
	}
}

func TestTagsAreFoundWhereTheyStand(t *testing.T) {
	const expected = "; expected a version that stays, such as 1.2.3"
	tests := []struct{ image, want string }{
		{"nginx:latest", `3:18-24 tag "latest" of service "app" moves`},
		{`"nginx:latest"`, `3:19-25 tag "latest" of service "app" moves`},
		{"localhost:5000/nginx:edge", `3:33-37 tag "edge" of service "app" moves`},
		{"nginx:latest@" + digest, `3:18-24 tag "latest" of service "app" moves`},
		{"nginx:${TAG:-latest}", `3:25-31 tag "latest" of service "app" (from the default of ${TAG}) moves`},
		{"${IMAGE:-nginx:latest}", `3:27-33 tag "latest" of service "app" (from the default of ${IMAGE}) moves`},
		{"${A:-${B:-nginx:latest}}", `3:28-34 tag "latest" of service "app" (from the default of ${B}) moves`},
		{"nginx:${TAG:-latest}-alpine", `3:18-39 tag "latest-alpine" of service "app" (from the default of ${TAG}) says "latest", which moves`},
		{"nginx:12.0-${CHANNEL-latest}", `3:18-40 tag "12.0-latest" of service "app" (from the default of ${CHANNEL}) says "latest", which moves`},
		{"nginx:${X:+latest}", ""},
		{"nginx:1.27", ""},
		{"nginx:${TAG}", ""},
	}
	for _, test := range tests {
		t.Run(test.image, func(t *testing.T) {
			var want []string
			if test.want != "" {
				want = []string{"compose.yml:" + test.want + expected}
			}
			expect(t, found(t, "R004", "compose.yml", oneImage(test.image)), want...)
		})
	}
}

func TestTagsFromOtherFiles(t *testing.T) {
	compose := oneImage("nginx:${TAG}")
	defaulted := oneImage("nginx:${TAG:-1.27}")
	tests := []struct {
		name, compose, sample, script string
		want                          []string
	}{
		{"sample", compose, "TAG=latest\n", "", []string{`compose.yml:3:18-24 tag "latest" of service "app" (from ${TAG} in .env.sample) moves; expected a version that stays, such as 1.2.3`}},
		{"commented sample", compose, "#TAG=latest\n", "", []string{`compose.yml:3:18-24 tag "latest" of service "app" (from ${TAG} in .env.sample) moves; expected a version that stays, such as 1.2.3`}},
		{"script", compose, "", "export TAG=latest\n", []string{`compose.yml:3:18-24 tag "latest" of service "app" (from ${TAG} in abra.sh) moves; expected a version that stays, such as 1.2.3`}},
		{"the sample speaks before the script", compose, "TAG=1.27\n", "", nil},
		{"a deploy takes the sample's value, not the default", defaulted, "TAG=latest\n", "", []string{`compose.yml:3:18-30 tag "latest" of service "app" (from ${TAG} in .env.sample) moves; expected a version that stays, such as 1.2.3`}},
		{"an empty value in the sample leaves the default", defaulted, "TAG=\n", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expect(t, found(t, "R004", "compose.yml", test.compose, ".env.sample", test.sample, "abra.sh", test.script), test.want...)
		})
	}
}

func TestTagsThatAreNoVersions(t *testing.T) {
	const expected = "; expected a version such as 5, v1.2.3 or 6.2-alpine"
	tests := []struct{ image, want string }{
		{"nginx:alpine", `3:18-24 tag "alpine" of service "app" has no version` + expected},
		{"nginx:d7d63b0d", `3:18-26 tag "d7d63b0d" of service "app" looks like a commit` + expected},
		{"nginx:${TAG:-1.2.3.4}", `3:25-32 tag "1.2.3.4" of service "app" (from the default of ${TAG}) has a version of more than three numbers` + expected},
		{"nginx:${TAG}-alpine", `3:18-31 the tag of image "nginx:${TAG}-alpine" depends on "TAG", which neither a default nor the recipe gives a value; expected a version such as 1.2.3`},
		{"nginx:latest", ""}, // R004 says it
		{"nginx", ""},        // R003 says it
		{"nginx:6-alpine", ""},
		{"nginx:${TAG:-v1.2.3}-alpine", ""},
	}
	for _, test := range tests {
		t.Run(test.image, func(t *testing.T) {
			var want []string
			if test.want != "" {
				want = []string{"compose.yml:" + test.want}
			}
			expect(t, found(t, "R005", "compose.yml", oneImage(test.image)), want...)
		})
	}
}

func TestAnImageLineIsReportedOnce(t *testing.T) {
	compose := "x-common: &common\n  image: nginx:latest\nservices:\n  app: *common\n  web:\n    <<: *common\n"
	got := found(t, "R004", "compose.yml", compose)
	if len(got) != 1 || !strings.HasPrefix(got[0], "compose.yml:2:16-22 ") {
		t.Errorf("found %q; expected one finding at 2:16", got)
	}
}

func TestServicesWithoutAnImageAreNotAskedForATag(t *testing.T) {
	for _, rule := range []string{"R003", "R004", "R005"} {
		expect(t, found(t, rule, "compose.yml", "services:\n  app:\n    build: .\n  db:\n    image:\n  web:\n    image: 7\n"))
	}
}
