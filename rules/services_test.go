package rules

import "testing"

func TestHealthchecks(t *testing.T) {
	tests := []struct {
		name, check string
		want        []string
	}{
		{"test", "    healthcheck:\n      test: [CMD, true]\n", nil},
		{"interval for the image's own", "    healthcheck:\n      interval: 5s\n", nil},
		{"disable: false", "    healthcheck:\n      disable: false\n", nil},
		{"none", "", []string{`compose.yml:2:3-6 service "app" has no healthcheck; expected one with a test`}},
		{"empty", "    healthcheck:\n", []string{`compose.yml:4:5-16 the healthcheck of service "app" is empty; expected a test`}},
		{"disabled", "    healthcheck:\n      disable: true\n", []string{`compose.yml:5:16-20 disable: true switches the healthcheck of service "app" off; expected one that is on`}},
		{"disabled in quotes", "    healthcheck:\n      disable: 'true'\n", []string{`compose.yml:5:16-22 disable: true switches the healthcheck of service "app" off; expected one that is on`}},
		{"disabled by default", "    healthcheck:\n      disable: ${OFF:-true}\n", []string{`compose.yml:5:16-28 disable: ${OFF:-true} switches the healthcheck of service "app" off; expected one that is on`}},
		{"NONE", "    healthcheck:\n      test: NONE\n", []string{`compose.yml:5:13-17 test: NONE switches the healthcheck of service "app" off; expected one that is on`}},
		{"[NONE]", "    healthcheck:\n      test: [\"NONE\"]\n", []string{`compose.yml:5:14-20 test: ["NONE"] switches the healthcheck of service "app" off; expected one that is on`}},
		{"extends", "    extends: {service: x}\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expect(t, found(t, "R002", "compose.yml", "services:\n  app:\n    image: a:1\n"+test.check), test.want...)
		})
	}
}

const checkedBase = "services:\n  app:\n    image: a:1\n    healthcheck:\n      test: [CMD, true]\n"

func TestHealthchecksOfOverlays(t *testing.T) {
	tests := []struct {
		name, overlay, other string
		want                 []string
	}{
		{"a patch of the base", "services:\n  app:\n    user: nobody\n", "services: {}\n", nil},
		{"a patch of another overlay", "services:\n  mail:\n    user: nobody\n", "services:\n  mail:\n    image: m:1\n    healthcheck: {test: x}\n", nil},
		{"a service of its own", "services:\n  mail:\n    image: m:1\n", "services: {}\n",
			[]string{`compose.a.yml:2:3-7 service "mail" has no healthcheck; expected one with a test`}},
		{"a patch that switches it off", "services:\n  app:\n    healthcheck: {disable: true}\n", "services: {}\n",
			[]string{`compose.a.yml:3:28-32 disable: true switches the healthcheck of service "app" off; expected one that is on`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expect(t, found(t, "R002", "compose.yml", checkedBase, "compose.a.yml", test.overlay, "compose.b.yml", test.other), test.want...)
		})
	}
}

func TestImagesAfterMerging(t *testing.T) {
	const none = "services:\n  app:\n    user: nobody\n"
	const image = "services:\n  app:\n    image: a:1\n"
	tests := []struct {
		name  string
		files []string
		want  []string
	}{
		{"base without", []string{"compose.yml", none}, []string{`compose.yml:2:3-6 service "app" has no image; expected image: name:tag`}},
		{"empty image", []string{"compose.yml", "services:\n  app:\n    image:\n"}, []string{`compose.yml:3:5-10 service "app" has no image; expected image: name:tag`}},
		{"empty service", []string{"compose.yml", "services:\n  app:\n"}, []string{`compose.yml:2:3-6 service "app" has no image; expected image: name:tag`}},
		{"build", []string{"compose.yml", "services:\n  app:\n    build: .\n"}, []string{`compose.yml:2:3-6 service "app" has no image: swarm does not build; expected image: name:tag`}},
		{"from an anchor", []string{"compose.yml", "x-a: &a {image: a:1}\nservices:\n  app:\n    <<: *a\n"}, nil},
		{"patch of the base", []string{"compose.yml", image, "compose.a.yml", none}, nil},
		{"patch of another overlay", []string{"compose.yml", "services: {}", "compose.a.yml", none, "compose.b.yml", image}, nil},
		{"patch of nothing", []string{"compose.yml", "services: {}", "compose.a.yml", none},
			[]string{`compose.a.yml:2:3-6 service "app" has no image, here or in compose.yml; expected image: name:tag`}},
		{"base that an optional overlay completes", []string{"compose.yml", none, "compose.a.yml", image},
			[]string{`compose.yml:2:3-6 service "app" has no image; expected image: name:tag`}},
		{"base that the sample's overlay completes", []string{"compose.yml", none, "compose.a.yml", image, ".env.sample", "COMPOSE_FILE=compose.yml:compose.a.yml\n"}, nil},
		{"no service at all", []string{"compose.yml", "services:\n  app: nginx\n"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { expect(t, found(t, "R011", test.files...), test.want...) })
	}
}

func TestAppService(t *testing.T) {
	expect(t, found(t, "R009", "compose.yml", "services:\n  App:\n    image: a:1\n  db:\n    image: b:1\n"),
		`compose.yml:1:1-9 none of the services App, db is named "app"; expected one`)
	expect(t, found(t, "R009", "compose.yml", "services:\n"), `compose.yml:1:1-9 no services; expected one named "app"`)
	expect(t, found(t, "R009", "compose.yml", "version: '3.8'\n"), `compose.yml:1:1-1 no services; expected one named "app"`)
	expect(t, found(t, "R009", "compose.yml", "services: [\n"))
	expect(t, found(t, "R009", "abra.sh", ""))
}

func TestRouting(t *testing.T) {
	const sample = "DOMAIN=a.example.com\n"
	const noLabel = `no service has the label traefik.enable=true in deploy.labels, so traefik does not route to DOMAIN`
	deploy := func(labels string) string { return "services:\n  app:\n    deploy:\n      labels: " + labels + "\n" }
	tests := []struct {
		name, compose, sample string
		want                  []string
	}{
		{"list", deploy("[traefik.enable=true]"), sample, nil},
		{"quoted list", deploy(`["traefik.enable=true"]`), sample, nil},
		{"quoted value", deploy(`['traefik.enable="true"']`), sample, nil},
		{"map", deploy("{traefik.enable: 'true'}"), sample, nil},
		{"map with a boolean", deploy("{traefik.enable: true}"), sample, nil},
		{"variable", deploy("['traefik.enable=${ON:-true}']"), sample, nil},
		{"variable without a value", deploy("['traefik.enable=${ON}']"), sample, nil},
		{"another service", "services:\n  web:\n    deploy: {labels: [traefik.enable=true]}\n", sample, nil},
		{"no domain", deploy("[a=b]"), "TYPE=x\n", nil},
		{"commented domain", deploy("[a=b]"), "#DOMAIN=x\n", nil},
		{"false", deploy("[traefik.enable=false]"), sample,
			[]string{`compose.yml:4:31-36 label traefik.enable is "false", so traefik does not route to DOMAIN; expected "true"`}},
		{"no value", deploy("[traefik.enable]"), sample,
			[]string{`compose.yml:4:16-30 label traefik.enable is "", so traefik does not route to DOMAIN; expected "true"`}},
		{"of the container", "services:\n  app:\n    labels: [traefik.enable=true]\n", sample,
			[]string{`compose.yml:3:14-28 label "traefik.enable" stands in labels, which swarm gives to containers; expected it in deploy.labels`}},
		{"missing", deploy("[a=b]"), sample, []string{"compose.yml:4:7-13 " + noLabel}},
		{"no labels", "services:\n  app:\n    deploy: {replicas: 1}\n", sample, []string{"compose.yml:3:5-11 " + noLabel}},
		{"no deploy", "services:\n  app:\n    image: a:1\n", sample, []string{"compose.yml:2:3-6 " + noLabel}},
		{"no app", "services:\n  web:\n    image: a:1\n", sample, []string{"compose.yml:1:1-9 " + noLabel}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expect(t, found(t, "R010", "compose.yml", test.compose, ".env.sample", test.sample), test.want...)
		})
	}
	t.Run("an overlay routes", func(t *testing.T) {
		expect(t, found(t, "R010", "compose.yml", deploy("[a=b]"), "compose.web.yml", deploy("[traefik.enable=true]"), ".env.sample", sample))
	})
}

func TestDeployLabels(t *testing.T) {
	const missing = `service "app" has no deploy.labels; expected the recipe's version, routing and backup labels there`
	const empty = `deploy.labels of service "app" is empty; expected the recipe's labels`
	app := "services:\n  app:\n    "
	expect(t, found(t, "R016", "compose.yml", app+"image: a:1\n"), "compose.yml:2:3-6 "+missing)
	expect(t, found(t, "R016", "compose.yml", app+"deploy: {replicas: 1}\n"), "compose.yml:3:5-11 "+missing)
	expect(t, found(t, "R016", "compose.yml", app+"deploy: {labels: {}}\n"), "compose.yml:3:14-20 "+empty)
	expect(t, found(t, "R016", "compose.yml", app+"deploy:\n      labels:\n"), "compose.yml:4:7-13 "+empty)
	expect(t, found(t, "R016", "compose.yml", app+"deploy: {labels: {a: b}}\n"))
	expect(t, found(t, "R016", "compose.yml", "services:\n  web: {}\n"))
}
