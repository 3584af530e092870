package deployer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

var recipeFiles = map[string]string{
	"conf.txt": "hello\n",
	"app.tmpl": "{{ env \"X\" }}\n",
	"base.env": "OVER=file\nQUOTED=\"a b\"\nEXPANDED=$FROM_ENV\n",
}

var deployEnv = map[string]string{"STACK_NAME": "web_example_org", "FROM_ENV": "taken", "UNUSED": "never copied"}

// convertText converts one compose file that stands beside recipeFiles.
func convertText(t *testing.T, compose string) (*conversion, error) {
	t.Helper()
	files := map[string]string{"compose.yml": compose}
	for name, text := range recipeFiles {
		files[name] = text
	}
	r := loadRecipe(t, files)
	project, err := r.Model(t.Context(), recipe.ModelOptions{Env: deployEnv})
	if err != nil {
		t.Fatal(err)
	}
	return convert(project, "web_example_org", deployEnv, r)
}

func TestConvertGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/convert/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := convertText(t, string(text))
			if err != nil {
				t.Fatal(err)
			}
			view := map[string]any{"stack": got.stack, "depends_on": got.dependsOn, "warnings": got.warnings}
			golden(t, strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".yml")+".json", asJSON(t, view))
		})
	}
}

// serviceYAML puts lines under one service with an image.
func serviceYAML(lines ...string) string {
	return "services:\n  app:\n    image: nginx:1.27\n    " + strings.Join(lines, "\n    ") + "\n"
}

func TestConvertSaysWhatSwarmIgnores(t *testing.T) {
	for _, test := range []struct{ lines, want string }{
		{"restart: always", `service "app": restart "always" is read as deploy.restart_policy.condition any`},
		{"restart: on-failure:3", `service "app": restart "on-failure:3" is read as deploy.restart_policy.condition on-failure`},
		{"restart: \"no\"", `service "app": swarm ignores restart "no"`},
		{"container_name: xy", `service "app": swarm ignores container_name`},
		{"links: [app]", `service "app": swarm ignores links`},
		{"external_links: [x]", `service "app": swarm ignores external_links`},
		{"depends_on: [db]", `service "app": swarm ignores depends_on; it orders the deploy`},
		{"build: .", `service "app": swarm ignores build`},
		{"devices: [/dev/x:/dev/x]", `service "app": swarm ignores devices`},
		{"privileged: true", `service "app": swarm ignores privileged`},
		{"security_opt: [\"seccomp:unconfined\"]", `service "app": swarm ignores security_opt "seccomp:unconfined"`},
		{"shm_size: 64m", `service "app": swarm ignores shm_size`},
		{"mem_limit: 64m", `service "app": swarm ignores mem_limit; use deploy.resources.limits.memory`},
		{"cpus: 0.5", `service "app": swarm ignores cpus`},
		{"platform: linux/amd64", `service "app": swarm ignores platform`},
		{"pull_policy: always", `service "app": swarm ignores pull_policy`},
		{"expose: [80]", `service "app": swarm ignores expose`},
		{"domainname: x", `service "app": swarm ignores domainname`},
		{"ipc: host", `service "app": swarm ignores ipc`},
		{"pid: host", `service "app": swarm ignores pid`},
		{"cgroup_parent: x", `service "app": swarm ignores cgroup_parent`},
		{"userns_mode: host", `service "app": swarm ignores userns_mode`},
		{"mac_address: 02:42:ac:11:65:43", `service "app": swarm ignores mac_address`},
		{"blkio_config: {weight: 300}", `service "app": swarm ignores blkio_config`},
		{"volumes_from: [app]", `service "app": swarm ignores volumes_from`},
		{"post_start: [{command: x}]", `service "app": swarm ignores post_start`},
		{"entrypoint: []", `service "app": an empty entrypoint does not clear`},
		{"tmpfs: [\"/run:uid=33\"]", `service "app": swarm ignores uid=33 of tmpfs "/run"`},
		{"volumes: [{type: bind, source: /a, target: /b, bind: {selinux: z}}]", `service "app": swarm ignores selinux of volume "/b"`},
		{"networks: {default: {ipv4_address: 10.0.0.9}}", `service "app": swarm ignores ipv4_address of network "default"`},
		{"deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}", `service "app": swarm ignores deploy.resources.reservations.devices`},
		{"deploy: {}\nconfigs: {spare: {file: conf.txt}}", `config "spare": no service uses it, so it is left out`},
		{"deploy: {}\nnetworks: {spare: {}}", `network "spare": no service uses it`},
		{"deploy: {}\nvolumes: {spare: {}}", `volume "spare": no service uses it`},
		{"deploy: {}\nsecrets: {spare: {file: x}}", `secret "spare": no service uses it`},
		{"deploy: {labels: {\"x.${STACK_NAME}\": y}}", `service "app": label "x.${STACK_NAME}" is not expanded`},
		{"deploy: {}\n  other: {image: a:1, profiles: [x]}", `service "other": has profiles`},
	} {
		t.Run(test.lines, func(t *testing.T) {
			got, err := convertText(t, serviceYAML(test.lines))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(got.warnings, func(w string) bool { return strings.HasPrefix(w, test.want) }) {
				t.Errorf("warnings = %q, want one that starts with %q", got.warnings, test.want)
			}
		})
	}
}

func TestConvertIsQuietAboutWhatWorks(t *testing.T) {
	got, err := convertText(t, serviceYAML("environment: [A=1]", "deploy: {replicas: 2}", "x-note: anything"))
	if err != nil || len(got.warnings) > 0 {
		t.Errorf("warnings %q, error %v; want none", got.warnings, err)
	}
}

func TestConvertRefuses(t *testing.T) {
	long := strings.Repeat("n", 50)
	for _, test := range []struct{ name, compose, want, hint string }{
		{"relative bind", serviceYAML("volumes: [./data:/data]"), `bind mount "./data" is a relative path`, "config"},
		{"home bind", serviceYAML("volumes: [\"~/data:/data\"]"), `bind mount "~/data" is a relative path`, "volume"},
		{"undeclared volume", serviceYAML("volumes: [data:/data]"), `volume "data" is not declared`, ""},
		{"two at one place", serviceYAML("volumes: [/a:/x]", "tmpfs: /x/"), `two volumes are mounted at "/x"`, ""},
		{"undeclared network", serviceYAML("networks: [x]"), `network "x" is not declared`, ""},
		{"undeclared config", serviceYAML("configs: [x]"), `config "x" is not declared`, ""},
		{"undeclared secret", serviceYAML("secrets: [x]"), `secret "x" is not declared`, ""},
		{"other container's network", serviceYAML("network_mode: service:db"), `network_mode "service:db"; expected host, bridge or none`, "one network"},
		{"secret from the recipe", serviceYAML("secrets: [x]") + "secrets: {x: {file: conf.txt}}\n", `secret "x": its value comes from the recipe or the environment`, "declare it external"},
		{"secret from the environment", serviceYAML("secrets: [x]") + "secrets: {x: {environment: FROM_ENV}}\n", `expected an external secret`, "${SECRET_X_VERSION}"},
		{"config outside", serviceYAML("configs: [x]") + "configs: {x: {file: ../conf.txt}}\n", `file "../conf.txt" is outside the recipe`, "part of the recipe"},
		{"absolute config", serviceYAML("configs: [x]") + "configs: {x: {file: /etc/passwd}}\n", `file "/etc/passwd" is outside the recipe`, ""},
		{"missing config", serviceYAML("configs: [x]") + "configs: {x: {file: gone}}\n", `config "x": reading file "gone"`, ""},
		{"empty config", serviceYAML("configs: [x]") + "configs: {x: {content: \"\"}}\n", `config "x": 0 bytes; swarm takes 1 to 1023999`, ""},
		{"env_file outside", serviceYAML("env_file: ../x.env"), `env_file "../x.env" is outside the recipe`, ""},
		{"missing env_file", serviceYAML("env_file: x.env"), `reading env_file "x.env"`, "recipe alone"},
		{"long config name", serviceYAML("configs: ["+long+"]") + "configs: {" + long + ": {file: conf.txt}}\n", `"web_example_org_` + long + `" has 66 characters; expected at most 64`, "shorten"},
		{"config name without a version", serviceYAML("configs: [x]") + "configs: {x: {name: \"${STACK_NAME}_x_${X_VERSION}\", file: conf.txt}}\n", `its name "web_example_org_x_" is not valid`, "no value"},
		{"long service name", "services:\n  " + long + ": {image: a:1}\n", `has 66 characters; expected at most 63`, "shorten"},
		{"service name with a dot", "services:\n  a.b: {image: a:1}\n", `"web_example_org_a.b" is not valid`, ""},
		{"no image", "services:\n  app: {command: x}\n", `service "app": no image`, ""},
		{"no service", "services: {}\n", "no service", ""},
		{"global with replicas", serviceYAML("deploy: {mode: global, replicas: 2}"), "mode global has no replicas", "leave"},
		{"unknown mode", serviceYAML("deploy: {mode: galactic}"), `deploy.mode "galactic"`, ""},
		{"job with update_config", serviceYAML("deploy: {mode: global-job, update_config: {order: stop-first}}"), "swarm has no update_config for mode global-job", ""},
		{"one address", serviceYAML("ports: [\"127.0.0.1:80:80\"]"), "port 80 is published on 127.0.0.1 alone", "firewall"},
		{"range on one port", serviceYAML("ports: [{target: 80, published: \"8000-8010\"}]"), `published port "8000-8010"`, "one port for each"},
		{"dnsrr with ingress", serviceYAML("ports: [\"80:80\"]", "deploy: {endpoint_mode: dnsrr}"), "endpoint_mode dnsrr cannot publish port 80", "mode: host"},
		{"health test", serviceYAML("healthcheck: {test: [curl, x]}"), `healthcheck.test starts with "curl"`, ""},
		{"cpus", serviceYAML("deploy: {resources: {limits: {cpus: \"0.00000000001\"}}}"), "cpus 1e-11", ""},
		{"failure action", serviceYAML("deploy: {update_config: {failure_action: explode}}"), `failure_action "explode"`, ""},
		{"restart condition", serviceYAML("deploy: {restart_policy: {condition: sometimes}}"), `condition "sometimes"`, ""},
		{"image mount", serviceYAML("volumes: [{type: image, source: a, target: /b}]"), `has type "image"`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := convertText(t, test.compose)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error = %v, want %q", err, test.want)
			}
			if hint := fault.HintOf(err); !strings.Contains(hint, test.hint) {
				t.Errorf("hint = %q, want %q", hint, test.hint)
			}
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("kind = %v, want Unavailable", fault.KindOf(err))
			}
		})
	}
}

func TestConvertTellsAllProblemsAtOnce(t *testing.T) {
	_, err := convertText(t, serviceYAML("volumes: [./a:/a]", "networks: [x]", "secrets: [y]"))
	for _, want := range []string{`"./a"`, `network "x"`, `secret "y"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestEnvironmentIsNotCopiedWhole(t *testing.T) {
	got, err := convertText(t, serviceYAML("environment: [A=1, FROM_ENV, GONE]"))
	if err != nil {
		t.Fatal(err)
	}
	env := got.stack.Services["web_example_org_app"].Spec.TaskTemplate.ContainerSpec.Env
	if want := []string{"A=1", "FROM_ENV=taken"}; !slices.Equal(env, want) {
		t.Errorf("env = %q, want %q", env, want)
	}
}

// FuzzConvert looks for a compose file that crashes the conversion, or that it
// gives a name which no swarm takes.
func FuzzConvert(f *testing.F) {
	for _, name := range []string{"full", "small"} {
		text, err := os.ReadFile("testdata/convert/" + name + ".yml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(serviceYAML("volumes: [a]", "networks: {default: null}"))
	f.Fuzz(func(t *testing.T, compose string) {
		r, err := recipe.Load(fstest.MapFS{"compose.yml": {Data: []byte(compose)}, "conf.txt": {Data: []byte("x")}}, recipe.Options{})
		if err != nil {
			t.Skip()
		}
		project, err := r.Model(t.Context(), recipe.ModelOptions{Env: deployEnv})
		if err != nil {
			t.Skip()
		}
		got, err := convert(project, "web_example_org", deployEnv, r)
		if err != nil {
			return
		}
		for name, s := range got.stack.Services {
			if name != s.Spec.Name || !serviceNames.form.MatchString(name) || len(name) > serviceNames.length {
				t.Errorf("service %q has the name %q", name, s.Spec.Name)
			}
		}
	})
}
