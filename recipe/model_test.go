package recipe

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func load1(t *testing.T, pairs ...string) *Recipe {
	t.Helper()
	r, err := Load(files(pairs...), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestModelMergesAndInterpolates(t *testing.T) {
	r := load1(t, "compose.yml", small, "compose.smtp.yml", "services:\n  app:\n    environment: [SMTP=$HOST]\n")
	p, err := r.Model(context.Background(), ModelOptions{
		Files: []string{"compose.yml", "compose.smtp.yml"}, Env: map[string]string{"TAG": "9", "HOST": "mail"},
	})
	if err != nil {
		t.Fatal(err)
	}
	app := p.Services["app"]
	if app.Image != "nginx:9" || *app.Environment["SMTP"] != "mail" {
		t.Errorf("image %q, environment %v", app.Image, app.Environment)
	}
}

// Measured: compose-go keeps both ports, docker stack deploy the last.
func TestModelKeepsTheLastOfTwoPublishedPorts(t *testing.T) {
	r := load1(t, "compose.yml", small, "compose.host.yml",
		"services:\n  app:\n    ports:\n      - {target: 80, published: 80, mode: host}\n      - {target: 80, published: 80, protocol: udp}\n      - \"9000\"\n      - \"9001\"\n")
	p, err := r.Model(context.Background(), ModelOptions{Files: []string{"compose.yml", "compose.host.yml"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, port := range p.Services["app"].Ports {
		got = append(got, fmt.Sprintf("%s:%d/%s/%s", port.Published, port.Target, port.Protocol, port.Mode))
	}
	if want := "80:80//host 80:80/udp/ :9000/tcp/ingress :9001/tcp/ingress"; strings.Join(got, " ") != want {
		t.Errorf("ports = %s, want %s", strings.Join(got, " "), want)
	}
}

func TestModelReadsNoOtherFile(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"include": {"include: [/etc/passwd]\nservices: {}\n", "compose.yml:1:1: include is not part of a stack"},
		"extends": {"services:\n  app:\n    extends: {file: /etc/x.yml, service: y}\n", "compose.yml:3:5: extends is not part of a stack"},
		"broken":  {"services: [\n", "compose.yml:"},
	} {
		r := load1(t, "compose.yml", test.text)
		if _, err := r.Model(context.Background(), ModelOptions{}); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s…", name, err, test.want)
		}
	}
	r := load1(t, "compose.yml", "services:\n  app:\n    image: x:1\n    env_file: /etc/passwd\n    labels: {a: b}\n    label_file: /etc/passwd\n")
	if _, err := r.Model(context.Background(), ModelOptions{}); err != nil {
		t.Errorf("an env_file was opened: %v", err)
	}
}

func TestModelNamesAnOverlayThatIsNotThere(t *testing.T) {
	r := load1(t, "compose.yml", small)
	_, err := r.Model(context.Background(), ModelOptions{Files: []string{"compose.yml", "compose.nope.yml"}})
	if err == nil || err.Error() != `the recipe has no compose file "compose.nope.yml"` {
		t.Errorf("error = %v", err)
	}
}

func TestEnvironmentPutsExportsOverTheApp(t *testing.T) {
	r := load1(t, "compose.yml", small, "abra.sh", "export CONF_VERSION=v2\nexport NOW=$(date)\n")
	env := r.Environment(map[string]string{"CONF_VERSION": "v1", "X": "y", "NOW": "app"}, "web_example_org")
	if env["CONF_VERSION"] != "v2" || env["X"] != "y" || env["STACK_NAME"] != "web_example_org" || env["NOW"] != "app" {
		t.Errorf("environment = %v", env)
	}
}

func TestUndefinedVariablesHavePlaces(t *testing.T) {
	r := load1(t, "compose.yml", "services:\n  app:\n    image: x:${TAG}\n    command: $$HOME ${A:-1} ${B} ${C} ${D:?}\n", ".env.sample", "#B=\n")
	var got []string
	for _, use := range r.Undefined(nil, map[string]string{"C": ""}) {
		got = append(got, fmt.Sprintf("%s %d:%d-%d", use.Variable.Name, use.Range.Start.Line, use.Range.Start.Column, use.Range.End.Column))
	}
	if want := "TAG 3:14-20"; strings.Join(got, ", ") != want {
		t.Errorf("undefined = %v, want %s", got, want)
	}
}

func TestLabelsOfEveryForm(t *testing.T) {
	d := ParseDocument("compose.yml", []byte("a:\n  - x=1\n  - \"y=a=b\"\n  - 'z'\nb: {x: 1, y: \"a=b\"}\n"))
	for key, want := range map[string]string{
		"a": "x|1|x|1 y|a=b|y|a=b z||z|",
		"b": `x|1|x|1 y|a=b|y|"a=b"`,
	} {
		var got []string
		for _, l := range Labels(d.Lookup(key)) {
			got = append(got, strings.Join([]string{l.Name, l.Value, d.Text.Slice(l.NameRange), d.Text.Slice(l.ValueRange)}, "|"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", key, strings.Join(got, " "), want)
		}
	}
}

func BenchmarkModel(b *testing.B) {
	r, err := Load(files("compose.yml", small), Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Model(context.Background(), ModelOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzModel merges any two files: whatever compose-go thinks of them, it is an
// error and not a panic.
func FuzzModel(f *testing.F) {
	f.Add(small, "services:\n  app:\n    environment: [SMTP=1]\n")
	f.Add("services:\n  app:\n    ulimits: {nofile: 1}\n", "services:\n  app:\n    ulimits: {nofile: [1]}\n")
	f.Add("services:\n  app:\n    models: {a: 1}\n    gpus: all\n    develop: 3\n", "services:\n  app:\n    deploy: {resources: {limits: 3}}\n    volumes: [3]\n")
	f.Fuzz(func(t *testing.T, base, overlay string) {
		r, err := Load(files("compose.yml", base, "compose.x.yml", overlay), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, skip := range []bool{true, false} {
			_, _ = r.Model(context.Background(), ModelOptions{Files: []string{"compose.yml", "compose.x.yml"}, SkipValidation: skip})
		}
	})
}
