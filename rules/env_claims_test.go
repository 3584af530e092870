package rules

import "testing"

func TestClaims(t *testing.T) {
	const check = "    healthcheck:\n      test: [CMD, true]\n"
	const backup = "    deploy:\n      labels: [backupbot.backup=true]\n"
	tests := []struct{ name, rule, service, field, want string }{
		{"a word more", "R143", "", "Tests**: 2, of the login", ""},
		{"not available", "R143", "", "SSO**: n/a (no accounts)", ""},
		{"No, as the template has it", "R143", "", "Email**: No", ""},
		{"a placeholder is R007's", "R143", "", "Status**: ?", ""},
		{"out of range", "R143", "", "Status**: 6", `README.md:4:15-16 metadata field "Status" is "6"; expected 0 to 5`},
		{"hearts", "R143", "", "Email**: ❶💚", `README.md:4:14-16 metadata field "Email" is "❶💚"; expected 0 to 3 or N/A`},
		{"no rating", "R143", "", "Image**: [`a`](https://a.org), upstream", "README.md:4:14-44 metadata field \"Image\" is \"[`a`](https://a.org), upstream\", without a rating from 1 to 4; expected [`name`](https://…), 1 to 4, source"},
		{"no link", "R143", "", "Image**: a, 4, upstream", "README.md:4:14-28 metadata field \"Image\" is \"a, 4, upstream\", without a link; expected [`name`](https://…), 1 to 4, source"},
		{"true", "R144", check, "Healthcheck**: Yes", ""},
		{"none", "R144", "", "Healthcheck**: Yes", `README.md:4:20-23 the metadata says Healthcheck: Yes, but service "app" has none that is on; expected one, or No`},
		{"off", "R144", "    healthcheck:\n      test: [NONE]\n", "Healthcheck**: Yes", `README.md:4:20-23 the metadata says Healthcheck: Yes, but service "app" has none that is on; expected one, or No`},
		{"one", "R144", check, "Healthcheck**: No", `README.md:4:20-22 the metadata says Healthcheck: No, but service "app" has one; expected Yes`},
		{"backed up", "R145", backup, "Backups**: Yes", ""},
		{"switched off by default", "R145", "    deploy:\n      labels: ['backupbot.backup=${B:-false}']\n", "Backups**: No", ""},
		{"not backed up", "R145", "", "Backups**: Yes", `README.md:4:16-19 the metadata says Backups: Yes, but no service has the label backupbot.backup=true in deploy.labels; expected one, or No`},
		{"backed up all the same", "R145", backup, "Backups**: No", `README.md:4:16-18 the metadata says Backups: No, but service labels switch backups on; expected Yes`},
		{"the same image", "R146", "", "Image**: [`library/a`](https://x.org/y), 4, upstream", ""},
		{"the link's image", "R146", "", "Image**: [`The App`](https://hub.docker.com/r/x/a), 4, upstream", ""},
		{"another image", "R146", "", "Image**: [`b`](https://x.org/b), 4, upstream", `README.md:4:16-17 the metadata says that the image is "b", but service "app" has "a:1", and no other has it either; expected the app's image`},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			readme := "# A\n\n<!-- metadata -->\n* **" + test.field + "\n<!-- endmetadata -->\n"
			got := found(t, test.rule, "compose.yml", envCompose(test.service, ""), "README.md", readme)
			if test.want == "" {
				expect(t, got)
				return
			}
			expect(t, got, test.want)
		})
	}
}

func TestLeftovers(t *testing.T) {
	const metadata = "<!-- metadata -->\n* **Image**: [`${REPO_NAME}`](x)\n<!-- endmetadata -->\n"
	expect(t, found(t, "R147", "compose.yml", envCompose("", ""), "README.md", "# A\n\n"+metadata))
	expect(t, found(t, "R147", "compose.yml", envCompose("    hostname: ${REPO_NAME_KEBAB}\n", ""), ".env.sample", "TYPE={{ .RecipeName }}\n", "README.md", "# A\n\n"+metadata+"\nabra app new ${REPO_NAME}\n"),
		`.env.sample:1:6-23 TYPE has "{{ .RecipeName }}", which is left from a recipe template; expected the recipe's own`,
		`README.md:7:14-26 "${REPO_NAME}" is left from a recipe template or unfinished; expected the recipe's own words`,
		`compose.yml:5:15-33 "${REPO_NAME_KEBAB}" is left from a recipe template; expected the recipe's own`)
}

func TestBackupLabels(t *testing.T) {
	const volumes = "volumes:\n  data:\n"
	labels := func(list string) string {
		return "    volumes: ['data:/var/lib/x', 'other:/y']\n    tmpfs: /tmp\n    configs: [dump_sh]\n    deploy:\n      labels:\n" + list
	}
	tests := []struct{ name, rule, labels, want string }{
		{"none", "R148", "        - a=b\n", `compose.yml:9:7-13 service "app" has no label backupbot.backup in deploy.labels, and no other service has it, so backup bots leave volume "data" out; expected backupbot.backup=true, or Backups: No in the metadata`},
		{"one", "R148", "        - backupbot.backup=false\n", ""},
		{"in map form", "R148", "        backupbot.backup: \"true\"\n", ""},
		{"a volume", "R149", "        - backupbot.backup.volumes.data=false\n", ""},
		{"a slip", "R149", "        backupbot.backup.volumes.date.path: x\n", `compose.yml:10:9-43 label "backupbot.backup.volumes.date.path" of service "app" names volume "date", which no compose file has; expected "data"`},
		{"a path in the container", "R149", "        - backupbot.backup.volumes.data.path=a, /var/lib/x/b\n", `compose.yml:10:49-61 label "backupbot.backup.volumes.data.path" of service "app" has the path "/var/lib/x/b", which is not within volume "data"; expected one relative to the volume's root`},
		{"paths on volumes", "R150", "        - backupbot.backup.path=/var/lib/x/a,/y,/var/lib\n", ""},
		{"a path beside them", "R150", "        - backupbot.backup.path=/y, /dump\n", `compose.yml:10:37-42 label "backupbot.backup.path" of service "app" names "/dump", which is on none of its volumes; backups are of volumes, so expected a path below a volume's`},
		{"a script that is there", "R151", "        - backupbot.backup.pre-hook=sh -c \"/dump_sh\" && /y/dump.sh\n", ""},
		{"the image's own", "R151", "        - backupbot.backup.pre-hook=/opt/x/dump.sh\n", ""},
		{"a script that is not", "R151", "        - backupbot.restore.post-hook=sh -c '/dump.sh back'\n", `compose.yml:10:46-54 label "backupbot.restore.post-hook" runs "/dump.sh", but no config or volume puts it into service "app"; expected a config with that target`},
		{"idle", "R152", "        - backupbot.backup.pre-hook=x\n        - backupbot.backup.post-hook=y\n", `compose.yml:10:11-36 label "backupbot.backup.pre-hook" of service "app" has no effect: no service has backupbot.backup=true in deploy.labels; expected it beside`},
		{"switched off", "R152", "        - backupbot.backup.pre-hook=x\n        - backupbot.backup=${B:-false}\n", ""},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			got := found(t, test.rule, "compose.yml", envCompose(labels(test.labels), volumes), ".env.sample", "TYPE=a\n")
			if test.want == "" {
				expect(t, got)
				return
			}
			expect(t, got, test.want)
		})
	}
}

func TestRecipeType(t *testing.T) {
	tests := []struct{ name, sample, want string }{
		{"TYPE", "TYPE=a\n", ""},
		{"both", "RECIPE=a\nTYPE=a\n", ""},
		{"a line that says so and cannot be read is R122's", "TYPE-a\n", ""},
		{"none", "A=b\n", `.env.sample:1:1-1 no TYPE in .env.sample, so clients do not know which recipe an app is of; expected TYPE=<recipe>`},
		{"empty", "TYPE=\n", `.env.sample:1:1-5 no TYPE in .env.sample, so clients do not know which recipe an app is of; expected TYPE=<recipe>`},
		{"two recipes", "RECIPE=a\nTYPE=b\n", `.env.sample:2:6-7 TYPE is "b" and RECIPE is "a"; expected both to name the same recipe`},
		{"a version", "TYPE=a:1.0.0+1\n", `.env.sample:1:6-15 TYPE is "a:1.0.0+1" with version "1.0.0+1", which every new app would start from; expected "a"`},
		{"no name", "TYPE=A b\n", `.env.sample:1:6-9 recipe name "A b"; expected a letter or digit, then a-z, 0-9, ".", "_" and "-"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := found(t, "R153", "compose.yml", envCompose("", ""), ".env.sample", test.sample)
			if test.want == "" {
				expect(t, got)
				return
			}
			expect(t, got, test.want)
		})
	}
}
