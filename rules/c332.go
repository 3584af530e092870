package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c332 = lint.Rule{
	ID: "C332", Name: "tls-verification-off",
	Summary:  "no service trusts every certificate",
	Severity: lint.Warning,
	Check:    checkTLSVerification,
}

func checkTLSVerification(p *lint.Pass) {
	said := places{}
	report := func(at recipe.Range, name, service string) {
		if !said.again(at) {
			p.Reportf(at, "%s makes service %q accept any certificate, and so anybody in between; expected the right certificate authority instead", name, service)
		}
	}
	for _, service := range p.Services() {
		eachSetting(service.Node.Get("environment"), func(s envSetting) {
			if s.value != "" && trustsAll(strings.ToUpper(s.name), fallback(s.value)) {
				report(s.namePlace(), s.name, service.Name)
			}
		})
		eachCommand(service, func(key string, words []commandWord) {
			for _, w := range words {
				if key == "healthcheck" || w.text[0] != '-' {
					continue // a check that asks its own container has nobody in between
				}
				name, value, assigned := strings.Cut(w.text, "=")
				if verifyOptions[strings.ToLower(strings.ReplaceAll(name, "-", ""))] && (!assigned || truthy(fallback(value))) {
					report(w.place(0, len(name)), name, service.Name)
				}
			}
		})
	}
}

// verifyOptions are options that switch the check off, without their dashes.
var verifyOptions = map[string]bool{
	"tlsskipverify": true, "skiptlsverify": true, "insecureskipverify": true, "insecureskiptlsverify": true, "nocheckcertificate": true,
	"serverstransport.insecureskipverify": true,
}

// trustsAll tells whether a variable switches the check of certificates off.
func trustsAll(name, value string) bool {
	switch name {
	case "NODE_TLS_REJECT_UNAUTHORIZED", "PYTHONHTTPSVERIFY":
		return value == "0"
	case "GIT_SSL_NO_VERIFY", "OCIS_INSECURE", "OC_INSECURE":
		return truthy(value)
	}
	for _, end := range []string{"SKIP_VERIFY", "SKIP_TLS_VERIFY", "SKIP_SSL_VERIFY", "INSECURESKIPVERIFY", "SKIP_CERT_VERIFY"} {
		if strings.HasSuffix(name, end) {
			return truthy(value)
		}
	}
	for _, end := range []string{"SSL_VERIFY", "TLS_VERIFY", "VERIFY_SSL", "VERIFY_TLS", "VERIFY_CERTS", "REJECT_UNAUTHORIZED", "CHECK_CERTIFICATE"} {
		if strings.HasSuffix(name, end) {
			return falsy(value)
		}
	}
	return false
}
