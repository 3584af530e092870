package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c333 = lint.Rule{
	ID: "C333", Name: "debug-mode",
	Summary:  "no service runs in its debug or development mode",
	Severity: lint.Info,
	Check:    checkDebugMode,
}

func checkDebugMode(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		eachSetting(service.Node.Get("environment"), func(s envSetting) {
			if s.value == "" || !debugs(strings.ToUpper(s.name), strings.ToLower(fallback(s.value))) || said.again(s.namePlace()) {
				return
			}
			message := fmt.Sprintf("%s=%s runs service %q in debug mode, which shows or logs what only developers should see; expected what production has", s.name, shorten(s.value), service.Name)
			p.Report(s.namePlace(), message, debugOff(s)...)
		})
	}
}

func debugs(name, value string) bool {
	switch name {
	case "NODE_ENV", "APP_ENV", "RAILS_ENV", "FLASK_ENV", "RACK_ENV", "DJANGO_ENV", "MIX_ENV", "ASPNETCORE_ENVIRONMENT", "SYMFONY_ENV":
		return value == "development" || value == "dev"
	}
	if name == "BITNAMI_DEBUG" {
		return false // it traces the image's own scripts, not the app
	}
	return (name == "DEBUG" || strings.HasSuffix(name, "_DEBUG")) && truthy(value)
}

// debugOff switches the mode off where the file itself says it.
func debugOff(s envSetting) []lint.Option {
	off := map[string]string{
		"true": "false", "1": "0", "yes": "no", "on": "off", "y": "n", "t": "f", "development": "production", "dev": "prod",
	}[strings.ToLower(s.value)]
	if off == "" {
		return nil
	}
	at := s.place(0, len(s.value))
	edit := lint.Edit{File: at.File, Start: at.Start, End: at.End, Text: off}
	return []lint.Option{lint.WithFix(lint.Fix{Message: "switch debugging off", Edits: []lint.Edit{edit}})}
}
