package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c325 = lint.Rule{
	ID: "C325", Name: "secret-in-spec",
	Summary:  "what is secret reaches a service as a file, not through its environment or its command",
	Severity: lint.Info,
	Check:    checkSecretInSpec,
}

// checkSecretInSpec speaks of values that the operator gives. Those that the
// file gives are C320's, C321's and C324's.
func checkSecretInSpec(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		image := imageOf(p, service)
		eachSetting(service.Node.Get("environment"), func(s envSetting) {
			if s.value == "" || !secretName(s.name) || !onlyGiven(s.value) {
				return
			}
			file := fileOf(image, s.name)
			if file == "" || said.again(s.namePlace()) {
				return
			}
			p.Reportf(s.namePlace(), "variable %q of service %q shows the secret to everybody who may inspect the service; expected %s=/run/secrets/…, which the image reads",
				s.name, service.Name, file)
		})
		eachCommand(service, func(key string, words []commandWord) {
			for _, a := range credentialArguments(words) {
				if onlyGiven(a.value) && !said.again(a.place()) {
					p.Reportf(a.place(), "%s in the %s of service %q is followed by a variable, so the secret stands in the service's spec and in lists of processes; expected one read from /run/secrets",
						a.shown(), key, service.Name)
				}
			}
		})
	}
}

// onlyGiven tells whether a value is what the operator gives, and nothing else.
func onlyGiven(value string) bool {
	if !strings.HasPrefix(value, "$") || strings.HasPrefix(value, "$$") {
		return false
	}
	reading := values{}.expand(value)
	return reading.guessed() && reading.text == placeholder
}

// imageOf is the image of a service, or of the base's when an overlay changes it.
func imageOf(p *lint.Pass, service lint.Service) string {
	image := service.Node.Get("image")
	if !image.Exists() && service.Overlay {
		image = baseService(p.Recipe, service.Name).Get("image")
	}
	return fallback(image.Text())
}

// fileOf is the variable that names a file for an image to read a secret from,
// "" when the image's documentation does not promise one.
func fileOf(image, name string) string {
	image, _, _ = strings.Cut(image, "@")
	image = strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "library/")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		image = image[:colon]
	}
	for _, known := range fileVariables[image] {
		if prefix, ok := strings.CutSuffix(known, "*"); ok && strings.HasPrefix(name, prefix) || known == name {
			if strings.HasSuffix(prefix, "__") || prefix == "GF_" {
				return name + "__FILE"
			}
			return name + "_FILE"
		}
	}
	return ""
}

// fileVariables are the variables that images read from a file of their name
// with _FILE, or with __FILE, as their documentation has it.
var fileVariables = map[string][]string{
	"postgres":              {"POSTGRES_PASSWORD"},
	"postgis/postgis":       {"POSTGRES_PASSWORD"},
	"pgvector/pgvector":     {"POSTGRES_PASSWORD"},
	"timescale/timescaledb": {"POSTGRES_PASSWORD"},
	"mysql":                 {"MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD"},
	"mariadb":               {"MARIADB_ROOT_PASSWORD", "MARIADB_PASSWORD", "MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD"},
	"mongo":                 {"MONGO_INITDB_ROOT_PASSWORD"},
	"wordpress":             {"WORDPRESS_DB_PASSWORD"},
	"nextcloud":             {"NEXTCLOUD_ADMIN_PASSWORD", "POSTGRES_PASSWORD", "MYSQL_PASSWORD", "SMTP_PASSWORD"},
	"grafana/grafana":       {"GF_*"},
	"gitea/gitea":           {"GITEA__*"},
	"vaultwarden/server":    {"ADMIN_TOKEN", "SMTP_PASSWORD"},
	"authelia/authelia":     {"AUTHELIA_*"},
}
