package soak

import (
	"slices"
	"strings"
)

// version is one published version of the soak's recipe, and what the observer
// expects of it, written by hand: nothing in it comes from galley.
type version struct {
	name string
	// good says that it comes up; the others must end with the stack put back.
	good bool
	// fault is the name of the fault that a version that is not good stands for.
	fault string
	conf  string // the config's version
	// services are those that it has, by their names in the compose file.
	services map[string]service
	order    string // of app's updates, "" is stop-first
	action   string // failure_action of app, "" is pause
	persists bool   // worker is tried on, until a watch gives up
}

// service is what a version says of one service.
type service struct {
	tag      string // of its image
	mode     string // MODE, "" is serve
	global   bool
	replicas int // 0 is 1
	networks string
	note     string
}

// versions are all there are. The good ones come first; each differs from the
// others in more than its image.
var versions = []version{
	{name: "1.0.0+1.0.0", good: true, conf: "v1", services: map[string]service{
		"app": {tag: "1.0.0"}, "worker": {tag: "1.0.0"},
	}},
	{name: "1.1.0+1.1.0", good: true, conf: "v2", services: map[string]service{
		"app": {tag: "1.1.0"}, "worker": {tag: "1.1.0"},
	}},
	{name: "1.2.0+1.2.0", good: true, conf: "v3", services: map[string]service{ // one service and one network more
		"app": {tag: "1.2.0", networks: "internal backend"}, "worker": {tag: "1.0.0"}, "cache": {tag: "1.2.0", networks: "backend"},
	}},
	{name: "1.3.0+1.3.0", good: true, conf: "v2", services: map[string]service{ // a service of another mode
		"app": {tag: "1.3.0"}, "worker": {tag: "1.3.0", global: true},
	}},
	{name: "1.4.0+1.4.0", good: true, conf: "v4", order: "start-first", action: "rollback", services: map[string]service{
		"app": {tag: "1.4.0", replicas: 2}, "worker": {tag: "1.4.0"},
	}},
	{name: "1.5.0+1.0.0", good: true, conf: "v5", services: map[string]service{ // no new image: configs and environment only
		"app": {tag: "1.0.0"}, "worker": {tag: "1.0.0", note: "other"},
	}},
	{name: "2.0.0+2.0.0", fault: "sick", conf: "v1", services: map[string]service{
		"app": {tag: "2.0.0", mode: "sick"}, "worker": {tag: "2.0.0"},
	}},
	{name: "2.1.0+2.1.0", fault: "crash", conf: "v6", services: map[string]service{
		"app": {tag: "2.1.0"}, "worker": {tag: "2.1.0", mode: "exit1"},
	}},
	{name: "2.2.0+2.2.0", fault: "exit 0", conf: "v7", services: map[string]service{
		"app": {tag: "2.2.0", mode: "exit0"}, "worker": {tag: "2.2.0"},
	}},
	{name: "2.3.0+2.3.0", fault: "image missing", conf: "v1", services: map[string]service{
		"app": {tag: "2.3.0"}, "worker": {tag: missingTag},
	}},
	{name: "2.4.0+2.4.0", fault: "sick, start-first", conf: "v8", order: "start-first", action: "rollback", services: map[string]service{
		"app": {tag: "2.4.0", mode: "sick", networks: "internal backend"}, "worker": {tag: "2.4.0"}, "cache": {tag: "2.4.0", networks: "backend"},
	}},
	{name: "2.5.0+2.5.0", fault: "sick, other mode", conf: "v9", action: "continue", services: map[string]service{
		"app": {tag: "2.5.0", mode: "sick"}, "worker": {tag: "2.5.0", global: true},
	}},
}

// asked are the versions of the recipe whose app is asked during its deploys. In the
// last, app itself is well and worker is not: app is replaced, and put back.
var asked = []version{
	askedVersion("1.0.0", "", ""),
	askedVersion("1.1.0", "", ""),
	askedVersion("2.0.0", "sick", ""),
	askedVersion("2.1.0", "", "sick"),
}

const askedName = "asked"

func askedVersion(tag, app, worker string) version {
	return version{
		name: tag + "+" + tag, good: app+worker == "", conf: "v" + tag[:1], order: "start-first", persists: true,
		services: map[string]service{"app": {tag: tag, mode: app, replicas: 2}, "worker": {tag: tag, mode: worker}},
	}
}

// published are the versions of each recipe.
func published() map[string][]version {
	all := map[string][]version{askedName: asked}
	for n := range recipes {
		all[recipeName(n)] = versions
	}
	return all
}

// missingTag is of an image that was there when the catalogue was built.
const missingTag = "0.0.0"

// goods is how many of the versions are good.
const goods = 6

// compose writes a version's compose file for the recipe of that name.
func (v version) compose(registry, recipe string) string {
	var b strings.Builder
	b.WriteString("version: \"3.8\"\n\nservices:\n")
	nets := map[string]bool{}
	for _, name := range []string{"app", "worker", "cache"} {
		s, ok := v.services[name]
		if !ok {
			continue
		}
		v.service(&b, registry+"/"+recipe+":"+s.tag, name, s)
		for _, n := range s.attached() {
			nets[n] = true
		}
	}
	b.WriteString("networks:\n")
	for _, n := range []string{"internal", "backend"} {
		if nets[n] {
			b.WriteString("  " + n + ":\n    attachable: true\n")
		}
	}
	b.WriteString(objects)
	return b.String()
}

func (s service) attached() []string {
	if s.networks == "" {
		return []string{"internal"}
	}
	return strings.Fields(s.networks)
}

func (v version) service(b *strings.Builder, image, name string, s service) {
	line := func(text string) { b.WriteString(text + "\n") }
	line("  " + name + ":")
	line("    image: " + image)
	line("    environment:")
	line("      - MODE=" + or(s.mode, "serve"))
	line("      - NOTE=" + or(s.note, s.tag))
	line("    stop_grace_period: 4s")
	line("    networks:")
	for _, n := range s.attached() {
		line("      - " + n)
	}
	line("    healthcheck:\n      test: [\"CMD\", \"/app\", \"health\"]\n      interval: 500ms\n      timeout: 5s\n      retries: 2")
	switch name {
	case "app":
		line("    secrets:\n      - token\n    configs:\n      - source: conf\n        target: /conf.txt")
	case "worker":
		line("    volumes:\n      - data:/data")
	}
	line("    deploy:")
	if s.global {
		line("      mode: global")
	} else if s.replicas > 0 {
		line("      replicas: " + string(rune('0'+s.replicas)))
	}
	line("      restart_policy:\n        condition: any\n        delay: 100ms")
	order, action := "stop-first", "pause"
	switch {
	case name == "app":
		order, action = or(v.order, order), or(v.action, action)
	case v.persists:
		action = "continue"
	}
	line("      update_config:\n        monitor: 1s\n        order: " + order + "\n        failure_action: " + action)
	line("      rollback_config:\n        monitor: 1s\n        order: " + order)
	if name == "app" {
		line("      labels:")
		line("        - \"coop-cloud.${STACK_NAME}.version=" + v.name + "\"")
		line("        - \"coop-cloud.${STACK_NAME}.timeout=180\"")
	}
	line("")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

const objects = `
configs:
  conf:
    name: ${STACK_NAME}_conf_${CONF_VERSION}
    file: conf.txt

secrets:
  token:
    external: true
    name: ${STACK_NAME}_token_${SECRET_TOKEN_VERSION}

volumes:
  data:
`

// conf is what the config of that version holds.
func conf(version string) string { return "configuration " + version + "\n" }

const sampleEnv = `TYPE=RECIPE

SECRET_TOKEN_VERSION=v1 # length=20 charset=default
`

// good is the good version of that number, counted around.
func good(n int) version { return versions[n%goods] }

// failing is the version that is not good of that number, counted around.
func failing(n int) version { return versions[goods+n%(len(versions)-goods)] }

// following is the good version after a good one.
func (v version) following() version {
	at := slices.IndexFunc(versions, func(x version) bool { return x.name == v.name })
	return good(at + 1)
}
