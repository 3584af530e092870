package rules

import (
	"strings"
	"testing"
)

// shapeTest is one rule's look at one service, or at whole files.
type shapeTest struct {
	name, rule string
	service    string // lines of the service app, which has an image already
	rest       string // what stands behind the services
	want       []string
}

func runShapeTests(t *testing.T, tests []shapeTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			text := "services:\n  app:\n    image: a:1\n"
			for line := range strings.Lines(test.service) {
				text += "    " + line
			}
			expect(t, found(t, test.rule, "compose.yml", text+test.rest), test.want...)
		})
	}
}

func TestReferences(t *testing.T) {
	runShapeTests(t, []shapeTest{
		{"a slip", "S240", "networks: [inner]\n", "networks: {inne: }\n", []string{
			`compose.yml:4:16-21 network "inner" is not defined under networks; did you mean "inne"?`}},
		{"long forms", "S240", "secrets: [{source: a}]\nvolumes: [{type: volume, source: b, target: /b}]\nnetworks: {c: {}}\n", "", []string{
			`compose.yml:4:24-25 secret "a" is not defined under secrets`,
			`compose.yml:5:38-39 volume "b" is not defined under volumes`,
			`compose.yml:6:16-17 network "c" is not defined under networks`}},
		{"paths, variables, defaults", "S240", "networks: [default]\nvolumes: [./a:/a, /b:/b, ~/c:/c, '${V:-x:y}:/d', /e]\nconfigs: ['${C}']\n", "", nil},
		{"files elsewhere", "S240", "networks: [n]\n", "include: [other.yml]\n", nil},
		{"used by a build", "S241", "build: {context: ., secrets: [s]}\n", "secrets: {s: {file: s}}\n", nil},
		{"a slip is S240's", "S241", "volumes: ['date:/a']\n", "volumes: {data: }\n", nil},
		{"unused", "S241", "volumes: ['data:/a']\n", "volumes: {data: , other: }\nnetworks: {default: , n: }\n", []string{
			`compose.yml:5:19-24 volume "other" is defined, and no service uses it`,
			`compose.yml:6:23-24 network "n" is defined, and no service uses it`}},
	})
}

func TestReferencesOfOverlays(t *testing.T) {
	const base = "services:\n  app:\n    image: a:1\n    networks: [n]\n"
	const overlay = "services:\n  app:\n    volumes: ['data:/a']\nnetworks: {n: }\n"
	expect(t, found(t, "S240", "compose.yml", base+"volumes: {data: }\n", "compose.a.yml", overlay),
		`compose.yml:4:16-17 network "n" is only defined in the overlay "compose.a.yml"; expected it in a file that is always merged`)
	expect(t, found(t, "S240", "compose.yml", base+"volumes: {data: }\n", "compose.a.yml", overlay, ".env.sample", "COMPOSE_FILE=compose.yml:compose.a.yml\n"))
	expect(t, found(t, "S240", "compose.yml", base+"networks: {n: }\n", "compose.a.yml", overlay),
		`compose.a.yml:3:16-20 volume "data" is not defined under volumes`)
	expect(t, found(t, "S241", "compose.yml", base+"volumes: {data: }\n", "compose.a.yml", overlay))
	expect(t, found(t, "S240", "part.yml", "services: {app: {image: a:1, networks: [n]}}\n"))
}

func TestPorts(t *testing.T) {
	taken := func(at, port string) string {
		return "compose.yml:" + at + " port " + port + ` of service "app" is published by service "app" already; swarm refuses the second`
	}
	runShapeTests(t, []shapeTest{
		{"ranges meet", "S242", "ports: [8000-8002:80-82, '8001:90']\n", "", []string{taken("4:31-35", "8001/tcp")}},
		{"forms meet", "S242", "ports: ['80:80', {target: 81, published: 80}]\n", "", []string{taken("4:46-48", "80/tcp")}},
		{"defaults meet", "S242", "ports: ['${P:-80}:80', '80:81']\n", "", []string{taken("4:29-31", "80/tcp")}},
		{"protocols differ", "S242", "ports: ['53:53/tcp', '53:53/udp']\n", "", nil},
		{"only the operator knows", "S242", "ports: ['${P}:80', '${P}:81', '80', '80']\n", "", nil},
		{"too large", "S267", "ports: ['70000:80', {target: 80, published: 70000}, '80:80/quic', '0:80']\n", "", []string{
			`compose.yml:4:14-19 "70000" is no port; expected a number from 1 to 65535, or a range of them`,
			`compose.yml:4:49-54 "70000" is no port; expected a number from 1 to 65535`,
			`compose.yml:4:64-68 "quic" is no protocol; expected tcp, udp or sctp`,
			`compose.yml:4:72-73 "0" is no port; expected a number from 1 to 65535, or a range of them`}},
		{"right ones", "S267", "ports: [80, '80', 80-90, '127.0.0.1:80:80', '[::1]:80:80', '80:80/UDP', '8000-8010:80', ':80', '${A}:80', {target: 80}]\n", "", nil},
		{"sexagesimal", "S245", "ports: [22:22, 80:80, '22:22', 3000:22]\nenvironment: {A: 12:30:45, B: 1:60, C: 0:10}\n", "", []string{
			"compose.yml:4:13-18 22:22 without quotes is 1342 to YAML 1.1, which counts in base 60; expected quotes",
			"compose.yml:4:36-43 3000:22 without quotes is 180022 to YAML 1.1, which counts in base 60; expected quotes",
			"compose.yml:5:22-30 12:30:45 without quotes is 45045 to YAML 1.1, which counts in base 60; expected quotes"}},
	})
}

func TestPortsOfOverlays(t *testing.T) {
	const base = "services:\n  app:\n    image: a:1\n    ports: ['80:80', '53:53/tcp', '53:53/udp']\n"
	expect(t, found(t, "S242", "compose.yml", base, "compose.a.yml", "services: {app: {ports: [{target: 81, published: 80}]}}\n"))
	expect(t, found(t, "S242", "compose.yml", base, "compose.a.yml", "services: {other: {image: o:1, ports: ['80:81']}}\n"),
		`compose.a.yml:1:41-43 port 80/tcp of service "other" is published by service "app" already; swarm refuses the second`)
	expect(t, found(t, "S268", "compose.yml", base, "compose.a.yml", "services: {other: {image: o:1}}\n"))
	expect(t, found(t, "S268", "compose.yml", base, "compose.a.yml", "services: {app: {user: root}}\n"),
		`compose.yml:4:23-25 docker stack deploy loses port 53/tcp where it merges service "app" with "compose.a.yml", and keeps 53/udp; expected another number for one of them`)
	expect(t, found(t, "S268", "compose.yml", strings.ReplaceAll(base, ", '53:53/udp'", ""), "compose.a.yml", "services: {app: {ports: ['53:53/udp']}}\n"),
		`compose.yml:4:23-25 docker stack deploy loses port 53/tcp where it merges service "app" with "compose.a.yml", and keeps 53/udp; expected another number for one of them`)
}

func TestDollars(t *testing.T) {
	hash := "$2y$05$" + strings.Repeat("a", 53)
	lone := func(at, what string) string {
		return "compose.yml:4:" + at + ` $ in "` + what + `" starts no variable, and docker stack deploy refuses the file; expected $$`
	}
	runShapeTests(t, []shapeTest{
		{"lone", "S249", "command: 'a $(b) $1 $$c $$$ $d'\n", "", []string{lone("17-18", "$("), lone("22-23", "$1"), lone("31-32", "$")}},
		{"beyond ASCII", "S249", "command: 'ä$ö'\n", "", []string{lone("16-17", "$")}},
		{"not interpolated", "S249", "", "x-a: '$(b)'\n", nil},
		{"through an alias once", "S249", "command: &c '$('\nentrypoint: *c\n", "", []string{"compose.yml:4:18-19" + lone("", "$(")[len("compose.yml:4:"):]}},
		{"syntax", "S250", "command: '${A:=b} ${1} ${A.b} ${A:x} ${A[0]} ${A:-b} ${A?} ${B'\n", "", []string{
			`compose.yml:4:15-22 "${A:=b}" is no variable to compose, which is no shell; expected ${NAME}, ${NAME:-default} or ${NAME:?error}`,
			`compose.yml:4:23-27 "${1}" is no variable to compose, which is no shell; expected ${NAME}, ${NAME:-default} or ${NAME:?error}`,
			`compose.yml:4:28-34 "${A.b}" is no variable to compose, which is no shell; expected ${NAME}, ${NAME:-default} or ${NAME:?error}`,
			`compose.yml:4:35-41 "${A:x}" is no variable to compose, which is no shell; expected ${NAME}, ${NAME:-default} or ${NAME:?error}`,
			`compose.yml:4:42-49 "${A[0]}" is no variable to compose, which is no shell; expected ${NAME}, ${NAME:-default} or ${NAME:?error}`,
			`compose.yml:4:64-66 "${B" has no closing brace; expected ${NAME}`}},
		{"nested", "S251", "command: '${A:-${B:-c}} ${A:-c}'\n", "", []string{
			"compose.yml:4:15-28 the default of ${A} holds a dollar sign: docker stack deploy takes it as it is written, compose fills variables in; expected a plain default"}},
		{"alternative", "S252", "command: '${A+b}'\n", "", []string{
			"compose.yml:4:15-21 docker stack deploy refuses the form ${A:+…}, which only compose knows; expected ${A} or ${A:-default}"}},
		{"hash", "S253", "labels: ['a=b:" + hash + "', 'a=${A:-" + hash + "}', 'a=" + strings.ReplaceAll(hash, "$", "$$") + "', 'c=/$1$2']\n", "", []string{
			`compose.yml:4:19-23 the dollar signs of the hash that starts with "$2y$" are taken for variables; expected each of them doubled`}},
		{"a hash is not lone", "S249", "labels: ['a=b:" + hash + "']\n", "", nil},
		{"key", "S254", "labels: {'a.${B}': c, 'a.$$b': c}\n", "x-a: {'$B': c}\n", []string{
			`compose.yml:4:14-22 variables in keys are not filled in: "a.${B}" stays as it is; expected the list form, or a key without variables`}},
	})
}

func TestMounts(t *testing.T) {
	runShapeTests(t, []shapeTest{
		{"twice", "S243", "volumes: ['a:/x', 'b:/x/', 'c:/y', 'c:/y']\n", "", []string{
			`compose.yml:4:26-29 service "app" has a mount at "/x/" already; swarm refuses a second`}},
		{"relative bind of one host", "S263", "volumes: ['./a:/a']\n", "", nil},
		{"relative bind", "S263", "deploy: {mode: global}\nvolumes: ['./a:/a', '~/b:/b', '/c:/c', '${D}:/d', {type: bind, source: e, target: /e}]\n", "", []string{
			`compose.yml:5:16-19 "./a" is taken for a path on the machine of whoever deploys, and no node of the swarm has it; expected a config or a named volume`,
			`compose.yml:5:26-29 "~/b" is taken for a path on the machine of whoever deploys, and no node of the swarm has it; expected a config or a named volume`,
			`compose.yml:5:76-77 "e" is taken for a path on the machine of whoever deploys, and no node of the swarm has it; expected a config or a named volume`}},
		{"forms", "S264", "volumes: [{type: bind, target: /a}, {type: tmpfs, source: b, target: /b}, {type: volume, source: ./c, target: /c}, {type: volume, source: d}, 'ee:f', 'gg:${H}/x']\n", "", []string{
			"compose.yml:4:22-26 a mount of type bind has no source; expected the path on the node",
			`compose.yml:4:63-64 a mount of type tmpfs has the source "b"; expected none`,
			`compose.yml:4:102-105 a mount of type volume has the path "./c" as its source; expected a name under volumes, or type: bind`,
			"compose.yml:4:127-133 a mount of type volume has no target; expected a path in the container",
			`compose.yml:4:151-152 the mount's target "f" is no absolute path, and no node takes it; expected one that starts with /`}},
		{"letters", "S265", "volumes: ['d:/x', '1:/y', {type: volume, source: e, target: /e}]\n", "", []string{
			`compose.yml:4:16-17 docker takes the volume's name "d" for a drive letter, and "d:/x" for the place to mount at; expected a longer name`}},
		{"letters are no wrong targets", "S264", "volumes: ['d:/x']\n", "", nil},
		{"anonymous", "S266", "volumes: [/a, {type: volume, target: /b}, {type: tmpfs, target: /c}, '${D}']\n", "", []string{
			`compose.yml:4:15-17 the volume at "/a" has no name, so every task of service "app" starts with a new one; expected a name, or type: tmpfs`,
			`compose.yml:4:42-44 the volume at "/b" has no name, so every task of service "app" starts with a new one; expected a name, or type: tmpfs`}},
	})
}

func TestTexts(t *testing.T) {
	rewritten := func(at, from, to string) string {
		return "compose.yml:4:" + at + " " + from + " without quotes arrives as \"" + to + "\"; expected quotes"
	}
	runShapeTests(t, []shapeTest{
		{"rewritten", "S246", "environment: {A: 010, B: 1.10, C: 1_000, D: 0x1F, E: 2024-01-01, F: 10, G: 0.5, H: '010', I: true, J: 1e3}\n", "", []string{
			rewritten("22-25", "010", "8"), rewritten("30-34", "1.10", "1.1"), rewritten("39-44", "1_000", "1000"),
			rewritten("49-53", "0x1F", "31"), rewritten("58-68", "2024-01-01", "2024-01-01 00:00:00 +0000 UTC"), rewritten("107-110", "1e3", "1000")}},
		{"words", "S247", "environment: {A: Yes, B: 'no', C: y, D: off}\n", "", []string{
			"compose.yml:4:22-25 Yes without quotes is text to docker, and true to YAML 1.1; expected quotes",
			"compose.yml:4:45-48 off without quotes is text to docker, and false to YAML 1.1; expected quotes"}},
		{"modes", "S248", "secrets: [{source: a, mode: 400}, {source: b, mode: 0400}, {source: c, mode: 365}]\n", "", []string{
			"compose.yml:4:33-36 mode 400 is decimal, octal 0620; expected 0400"}},
		{"empty", "S270", "environment: {A: , B: '', C: ~}\n", "", []string{
			`compose.yml:4:19-20 A without a value is taken from the shell of whoever deploys, and unset when it is not there; expected "" or a value`,
			`compose.yml:4:31-32 C without a value is taken from the shell of whoever deploys, and unset when it is not there; expected "" or a value`}},
		{"twice", "S271", "environment: [A=1, A=2, B, B]\n", "", []string{
			"compose.yml:4:24-25 A is set twice in environment, and only this value counts; expected it once"}},
		{"spaces", "S272", "environment: [A = b, B=c, 'C= d', ' D=e', E=]\n", "", []string{
			`compose.yml:4:20-23 "A" in environment: the spaces beside = become part of the name or the value; expected none`,
			`compose.yml:4:33-35 "C" in environment: the spaces beside = become part of the name or the value; expected none`,
			`compose.yml:4:40-42 "D" in environment: the spaces beside = become part of the name or the value; expected none`}},
		{"quotes", "S273", "environment:\n  - A=\"b\"\n  - B='c d'\n  - C=\"d\" \"e\"\n  - 'D=e'\n  - E=\"\n", "", []string{
			`compose.yml:5:11-12 the quotes " around the value of A in environment become part of it; expected none, or quotes around the whole item`,
			`compose.yml:6:11-12 the quotes ' around the value of B in environment become part of it; expected none, or quotes around the whole item`}},
	})
}

func TestCommands(t *testing.T) {
	argument := "is an argument like any other, since no shell reads it; expected sh -c"
	runShapeTests(t, []shapeTest{
		{"text", "S274", "command: run a && run b\n", "", []string{"compose.yml:4:20-22 && in command " + argument}},
		{"list", "S274", "entrypoint: [run, '|', tee]\n", "", []string{"compose.yml:4:23-26 | in entrypoint " + argument}},
		{"given to a shell", "S274", "command: a && b\nentrypoint: [/bin/sh, -c]\n", "", nil},
		{"a shell", "S274", "command: sh -c 'a && b'\n", "", nil},
		{"quoted", "S274", "command: grep \"a | b\" '|'\n", "", nil},
		{"a config as program", "S275", "entrypoint: [/e.sh]\nconfigs: [{source: e, target: /e.sh, mode: 0440}]\n", "", []string{
			`compose.yml:4:18-23 /e.sh is the config "e" with mode 0440, so it cannot be run; expected mode: 0555`}},
		{"executable", "S275", "entrypoint: /e.sh\nconfigs: [{source: e, target: /e.sh, mode: 0550}]\n", "", nil},
		{"given to an interpreter", "S275", "entrypoint: [sh, /e.sh]\nconfigs: [{source: e, target: /e.sh}]\n", "", nil},
		{"the entrypoint's argument", "S275", "entrypoint: run\ncommand: /e.sh\nconfigs: [{source: e, target: /e.sh}]\n", "", nil},
	})
}

func TestYAMLForms(t *testing.T) {
	runShapeTests(t, []shapeTest{
		{"second document", "S276", "", "---\nservices: {}\n", []string{
			`compose.yml:4:1-4 a second document starts at "---", and docker stack deploy reads the first alone; expected one`}},
		{"empty second document", "S276", "", "---\n# the end\n...\n", nil},
		{"in a text", "S276", "command: |\n  ---\n  a\n", "", nil},
		{"odd keys", "S277", "labels: {1: a, true: b, ~: c, '2': d, yes: e}\n", "", []string{
			"compose.yml:4:14-15 the key 1 is a number to YAML, and docker refuses the file; expected text, in quotes",
			"compose.yml:4:20-24 the key true is a boolean to YAML, and docker refuses the file; expected text, in quotes",
			"compose.yml:4:29-30 the key ~ is nothing to YAML, and docker refuses the file; expected text, in quotes"}},
		{"merge", "S278", "<<: [*a, b]\n", "", nil},
		{"merge of nothing", "S278", "<<:\n", "", []string{"compose.yml:4:5-7 the merge key << is given nothing; expected an alias of a mapping, or a list of them"}},
		{"anchors", "S279", "labels: &one [a=b]\ncommand: &two !!str c\nentrypoint: *two\n", "", []string{"compose.yml:4:13-17 no alias uses the anchor &one"}},
	})
}

func TestFiles(t *testing.T) {
	const service = "services:\n  app:\n    image: a:1\n    configs: [c]\n    secrets: [s]\n"
	at := func(file string) string { return service + "configs:\n  c:\n    file: " + file + "\n" }
	for file, want := range map[string]string{
		"a.conf": "", "./sub/b.conf": "", "${F}": "",
		"c.conf":  `compose.yml:8:11-17 file "c.conf" of config "c" does not exist`,
		"sub":     `compose.yml:8:11-14 file "sub" of config "c" is a folder; expected a file`,
		"../d":    `compose.yml:8:11-15 file "../d" of config "c" is outside the recipe; expected one that comes with it`,
		"/etc/d":  `compose.yml:8:11-17 file "/etc/d" of config "c" is outside the recipe; expected one that comes with it`,
		"~/d":     `compose.yml:8:11-14 file "~/d" of config "c" is outside the recipe; expected one that comes with it`,
		"./a.txt": `compose.yml:8:11-18 file "./a.txt" of config "c" does not exist`,
	} {
		got := strings.Join(found(t, "S255", "compose.yml", at(file), "a.conf", "x", "sub/b.conf", "x"), "\n")
		if got != want {
			t.Errorf("file %s: found %q, expected %q", file, got, want)
		}
	}
	sized := service + "secrets:\n  s:\n    file: s.txt\n"
	expect(t, found(t, "S256", "compose.yml", sized, "s.txt", strings.Repeat("x", 511_999)))
	expect(t, found(t, "S256", "compose.yml", sized, "s.txt", strings.Repeat("x", 512_000)),
		`compose.yml:8:11-16 file "s.txt" of secret "s" has 512000 bytes; swarm takes 1 to 511999`)
	expect(t, found(t, "S256", "compose.yml", at("c.txt"), "c.txt", strings.Repeat("x", 1_023_999)))
	expect(t, found(t, "S256", "compose.yml", at("c.txt"), "c.txt", ""),
		`compose.yml:8:11-16 file "c.txt" of config "c" has 0 bytes; swarm takes 1 to 1023999`)
}

func TestDefinitions(t *testing.T) {
	runShapeTests(t, []shapeTest{
		{"external", "S262", "", "networks:\n  a: {external: true, name: b, x-c: d}\n  b: {external: false, driver: overlay}\n  c: {external: true, driver: overlay}\n  d: {external: {name: e}, name: f}\n", []string{
			`compose.yml:7:23-29 network "c" is external, and has the key "driver" as well; expected a name at most`,
			`compose.yml:8:28-32 network "d" is external, and has the key "name" as well; expected a name at most`}},
		{"subnets", "S259", "", "networks:\n  a: {ipam: {config: [{subnet: 10.0.0.0/24}, {subnet: 'fd00::/64'}, {subnet: '${S}'}, {subnet: 10.0.0.0}]}}\n", []string{
			`compose.yml:5:96-104 "10.0.0.0" of network "a" is no subnet; expected an address range such as 10.20.0.0/24`}},
		{"drivers", "S258", "", "networks:\n  a: {driver: overlay}\n  b: {driver: macvlan}\n  host: {external: true, driver: host}\n  d: {driver: weave}\n", []string{
			`compose.yml:6:15-22 driver macvlan of network "b" makes a network of one host, which swarm refuses for services; expected overlay`}},
	})
	expect(t, found(t, "S269", "compose.yml", "services:\n  a.b: {image: a:1}\n  a_b: {image: a:1}\n  c-: {image: a:1}\n  A1: {image: a:1}\n"),
		`compose.yml:2:3-6 swarm refuses the service name "a.b", which is none in DNS; expected letters and digits, with - and _ between them`,
		`compose.yml:4:3-5 swarm refuses the service name "c-", which is none in DNS; expected letters and digits, with - and _ between them`)
}
