package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

var i403 = lint.Rule{
	ID: "I403", Name: "retired-image",
	Summary:  "no image comes from a place that its makers have left",
	Severity: lint.Warning,
	Check:    checkRetiredImage,
}

func checkRetiredImage(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		ref, ok := i.reference()
		if !ok {
			return false
		}
		why := retired(ref)
		if why == "" {
			return false
		}
		i.reportName(p, "image %q of service %q %s", shorten(i.name()), i.service, why)
		return true
	})
}

// retired says why an image should not be used from where it is.
func retired(ref registry.Reference) string {
	if why := retiredRepositories[ref.Name()]; why != "" {
		return why
	}
	host, path := ref.Domain, ref.Path
	switch {
	case host == "k8s.gcr.io":
		return "comes from a frozen registry; expected registry.k8s.io/" + path
	case host == "docker.pkg.github.com":
		return "comes from a closed registry; expected ghcr.io"
	case host == "docker.io" && path == "bitnami/sealed-secrets-controller":
		return "" // the one that stayed
	case host == "docker.io" && strings.HasPrefix(path, "bitnami/"):
		return "has had nothing but development builds there since September 2025; expected the project's own image"
	case host == "docker.io" && strings.HasPrefix(path, "bitnamilegacy/"):
		return "gets no updates any more; expected the project's own image"
	}
	return ""
}

// retiredRepositories are repositories that their makers moved or gave up, as
// their own pages and issues say.
var retiredRepositories = map[string]string{
	"docker.io/minio/minio":                            "was taken from Docker Hub in September 2026; expected quay.io/minio/minio, or another store",
	"docker.io/minio/mc":                               "was taken from Docker Hub in September 2026; expected quay.io/minio/mc",
	"docker.io/mysql/mysql-server":                     "has had no releases since January 2023; expected mysql",
	"docker.io/library/openjdk":                        "was given up in 2022; expected eclipse-temurin",
	"docker.io/library/java":                           "was given up; expected eclipse-temurin",
	"docker.io/library/adoptopenjdk":                   "was given up in 2021; expected eclipse-temurin",
	"docker.io/library/jenkins":                        "was given up in 2018; expected jenkins/jenkins",
	"docker.io/library/owncloud":                       "was given up; expected owncloud/server",
	"docker.io/library/piwik":                          "was renamed; expected matomo",
	"docker.io/library/vault":                          "was given up in 2023; expected hashicorp/vault",
	"docker.io/library/consul":                         "was given up in 2023; expected hashicorp/consul",
	"docker.io/library/sentry":                         "was given up; expected getsentry/sentry",
	"docker.io/library/rails":                          "was given up; expected ruby",
	"docker.io/library/django":                         "was given up; expected python",
	"docker.io/library/iojs":                           "was given up; expected node",
	"docker.io/library/centos":                         "was given up in 2021; expected another system",
	"docker.io/jwilder/nginx-proxy":                    "has moved; expected nginxproxy/nginx-proxy",
	"docker.io/jrcs/letsencrypt-nginx-proxy-companion": "has moved; expected nginxproxy/acme-companion",
	"docker.io/bitwardenrs/server":                     "was renamed; expected vaultwarden/server",
	"docker.io/containrrr/watchtower":                  "was archived in 2025; expected updates by new versions of the recipe",
	"docker.io/browserless/chrome":                     "has moved; expected ghcr.io/browserless/chromium",
	"docker.io/linuxserver/letsencrypt":                "was renamed; expected linuxserver/swag",
	"docker.io/v2tec/watchtower":                       "was given up; expected updates by new versions of the recipe",
	"docker.io/library/nats-streaming":                 "was given up in 2023; expected nats",
}
