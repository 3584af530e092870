package catbench

import (
	"fmt"
	"strings"
)

// history is a recipe's whole history for `git fast-import`.
func (s Size) history(recipe int) string {
	var stream strings.Builder
	for v := range s.Versions {
		from := ""
		if v > 0 {
			from = fmt.Sprintf("from :%d\n", v)
		}
		stream.WriteString(s.release(recipe, v, from))
	}
	return stream.String()
}

// release is one commit and its annotated tag. What does not change from version
// to version is in the first commit.
func (s Size) release(recipe, version int, from string) string {
	var stream strings.Builder
	at := 1_700_000_000 + 86_400*version + recipe
	text := func(words string) { fmt.Fprintf(&stream, "data %d\n%s\n", len(words), words) }
	fmt.Fprintf(&stream, "commit refs/heads/main\nmark :%d\ncommitter Ada <ada@example.org> %d +0000\n", version+1, at)
	text("upgrade to " + Version(version))
	stream.WriteString(from)
	for _, f := range s.files(recipe, version) {
		fmt.Fprintf(&stream, "M 100644 inline %s\n", f.name)
		text(f.text)
	}
	fmt.Fprintf(&stream, "tag %s\nfrom :%d\ntagger Ada <ada@example.org> %d +0000\n", Version(version), version+1, at)
	text("chore: publish " + Version(version) + " release")
	return stream.String()
}

type file struct{ name, text string }

func (s Size) files(recipe, version int) []file {
	app, db := s.images(recipe, version)
	changed := []file{
		{"compose.yml", fmt.Sprintf(compose, app, Version(version), db)},
		{"release/" + Version(version), fmt.Sprintf("Version 2.%d of the app. Nothing is to be done by hand.\n", version)},
	}
	if version > 0 {
		return changed
	}
	return append(changed,
		file{"README.md", fmt.Sprintf(readme, Name(recipe), recipe)},
		file{".env.sample", fmt.Sprintf(sample, Name(recipe))},
		file{"abra.sh", "export APP_CONF_VERSION=v1\n"},
		file{"app.conf.tmpl", "listen 80;\nserver_name {{ env \"DOMAIN\" }};\n"},
		file{"compose.smtp.yml", smtp},
	)
}

const readme = `# %s

The %d-th recipe of a benchmark.

<!-- metadata -->
* **Category**: Apps
* **Status**: 3, stable
* **Image**: [` + "`app`" + `](https://hub.docker.com/r/bench/app), 4, upstream
* **Healthcheck**: Yes
* **Backups**: Yes
* **Email**: 1
* **Tests**: 2
* **SSO**: No
<!-- endmetadata -->

## Basic usage

Set ` + "`DOMAIN`" + `, generate the secrets, deploy.
`

const sample = `TYPE=%s

DOMAIN=app.example.com
LETS_ENCRYPT_ENV=production

#TIMEOUT=120
#ENABLE_BACKUPS=true

SECRET_DB_PASSWORD_VERSION=v1 # length=32

## Mail through a relay
#COMPOSE_FILE="$COMPOSE_FILE:compose.smtp.yml"
#SMTP_HOST=mail.example.com
`

const smtp = `version: "3.8"

services:
  app:
    environment:
      - SMTP_HOST
      - SMTP_FROM=app@${DOMAIN}
`

const compose = `version: "3.8"

services:
  app:
    image: %s
    networks:
      - proxy
      - internal
    environment:
      - DB_HOST=db
      - DOMAIN
    configs:
      - source: app_conf
        target: /etc/app/app.conf
    secrets:
      - db_password
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost"]
      interval: 30s
      timeout: 10s
      retries: 10
      start_period: 1m
    deploy:
      update_config:
        failure_action: rollback
        order: start-first
      labels:
        - "traefik.enable=true"
        - "traefik.http.services.${STACK_NAME}.loadbalancer.server.port=80"
        - "traefik.http.routers.${STACK_NAME}.rule=Host(` + "`${DOMAIN}`" + `)"
        - "traefik.http.routers.${STACK_NAME}.entrypoints=web-secure"
        - "traefik.http.routers.${STACK_NAME}.tls.certresolver=${LETS_ENCRYPT_ENV}"
        - "coop-cloud.${STACK_NAME}.version=%s"
        - "coop-cloud.${STACK_NAME}.timeout=${TIMEOUT:-120}"
        - "backupbot.backup=${ENABLE_BACKUPS:-true}"

  db:
    image: %s
    networks:
      - internal
    environment:
      - DATABASE_PASSWORD_FILE=/run/secrets/db_password
    secrets:
      - db_password
    volumes:
      - db:/var/lib/db
    healthcheck:
      test: ["CMD", "healthcheck", "--connect"]
      interval: 30s
      timeout: 10s
      retries: 10
      start_period: 1m

networks:
  proxy:
    external: true
  internal:

volumes:
  db:

configs:
  app_conf:
    name: ${STACK_NAME}_app_conf_${APP_CONF_VERSION}
    file: app.conf.tmpl
    template_driver: golang

secrets:
  db_password:
    name: ${STACK_NAME}_db_password_${SECRET_DB_PASSWORD_VERSION}
    external: true
`
