package rules

import (
	"slices"
	"strings"
	"testing"
)

func TestCredentials(t *testing.T) {
	judge(t, []judged{
		{"C320", "environment: [DB_PASSWORD=kW2xq81L]", []string{"DB_PASSWORD", "DB_PASSWORD"}},
		{"C320", "environment: {api-key: kW2xq81L, N: 1}", []string{"api-key", "api-key"}},
		{"C320", "environment: ['X_TOKEN=${T:-kW2xq81L}']", []string{"X_TOKEN", "a default, that of ${T}"}},
		{"C320", "environment: [DB_PASSWORD=admin]", nil},
		{"C320", "environment: [DB_PASSWORD=, 'A_PASSWORD=${X}', 'B_PASSWORD=${X:-}', 'C_PASSWORD=a${X}', D_PASSWORD]", nil},
		{"C320", "environment: [A_PASSWORD_FILE=/run/secrets/x, B_PASSWORD=/run/secrets/x, TOKEN_EXPIRY=24h, X_TOKEN=3600, PUBLIC_TOKEN=abcdefg1]", nil},
		{"C320", "environment: {RANDOM_ROOT_PASSWORD: 'yes', A_PASSWORD: true, A_SECRET: none, PWD: kW2xq81L, PATH_KEY: kW2xq81L}", nil},
		{"C320", "environment: {S3_ACCESS_KEY: kW2xq81L, S3_SECRET_ACCESS_KEY: kW2xq81L}", []string{"S3_SECRET_ACCESS_KEY", "S3_SECRET_ACCESS_KEY"}},
		{"C321", "environment: [DB_PASSWORD=Admin]", []string{"Admin", "among the first"}},
		{"C321", "environment: ['DB_PASSWORD=${P:-changeme42}']", []string{"changeme42", "the default of ${P}, is a placeholder"}},
		{"C321", "environment: {DB_USER: wiki, DB_PASSWORD: wiki}", []string{"wiki", "the same as DB_USER"}},
		{"C321", "environment: {DB_USER: wiki, DB_PASSWORD: kW2xq81L}", nil},
		{"C323", "environment: ['URL=postgres://u:pw@db/x']", []string{"postgres://u", `"postgres://u"`}},
		{"C323", "command: run --db redis://:pw@cache:6379/0", []string{"redis://", `"redis://"`}},
		{"C323", "environment: ['URL=${URL:-amqp://u:pw@mq}']", []string{"amqp://u", `"amqp://u"`}},
		{"C323", "environment: ['URL=mysql://u:${P:-pw}@db/x']", []string{"mysql://u", `"mysql://u"`}},
		{"C323", "labels: ['x=https://u:pw@example.org/a']", []string{"https://u", `"https://u"`}},
		{"C323", "environment: ['A=mysql://u:${P}@db', 'B=mysql://u@db', 'C=http://h:80/a@b', 'D=http://h:80', 'E=http://u:***@h']", nil},
		{"C324", "command: serve --user x --password hunter42", []string{"--password", "--password in the command"}},
		{"C324", "command: [serve, '--requirepass=hunter42']", []string{"--requirepass", "--requirepass"}},
		{"C324", "entrypoint: sh -c 'PGPASSWORD=hunter42 psql'", []string{"PGPASSWORD", "PGPASSWORD in the entrypoint"}},
		{"C324", "healthcheck: {test: 'mysqladmin ping -proot || exit 1'}", []string{"-p", "-p in the healthcheck"}},
		{"C324", "healthcheck: {test: [CMD, redis-cli, -a, hunter42, ping]}", []string{"-a", "-a in the healthcheck"}},
		{"C324", "command: sh -c 'cp -a x y && mkdir -ppath && mysql -p$$PASS -h db'", nil},
		{"C324", "command: serve --password-file /x --password $$P --token-ttl 5m --secret /run/secrets/x --password --other", nil},
		{"C324", "healthcheck: {test: 'mysqladmin ping -p$$ROOT_PASSWORD || exit 1'}", nil},
		{"C325", "command: redis-server --requirepass ${PASS}", []string{"--requirepass", "--requirepass"}},
		{"C325", "command: redis-server --requirepass $$PASS", nil},
		{"C326", "labels: {'traefik.http.middlewares.x.basicauth.users': 'a:$$apr1$$x, b:secret'}", nil},
		{"C326", "labels: {'traefik.http.middlewares.x.basicauth.users': 'b:secret'}", []string{"'traefik.http.middlewares.x.basicauth.users'", "expected a hash"}},
		{"C326", "deploy: {labels: ['x.password=kW2xq81L', 'x.users=a:b']}", []string{"x.password", "x.password"}},
		{"C332", "environment: {NODE_TLS_REJECT_UNAUTHORIZED: 0, A_SSL_VERIFY: false, B_SKIP_VERIFY: 'true', C_SKIP_VERIFY: 'false', D_VERIFY_SSL: 'true'}",
			[]string{"NODE_TLS_REJECT_UNAUTHORIZED", "NODE_TLS", "A_SSL_VERIFY", "A_SSL", "B_SKIP_VERIFY", "B_SKIP"}},
		{"C332", "command: x --tlsskipverify --insecure-skip-verify=false", []string{"--tlsskipverify", "--tlsskipverify"}},
		{"C333", "environment: {DEBUG: 'false', APP_DEBUG: '${D:-0}', NODE_ENV: production, X_DEBUG: 1}", []string{"X_DEBUG", "X_DEBUG=1"}},
		{"C333", "environment: ['APP_ENV=${E:-dev}']", []string{"APP_ENV", "APP_ENV"}},
		{"C338", "environment: {POSTGRES_HOST_AUTH_METHOD: trust}", []string{"POSTGRES_HOST_AUTH_METHOD", "trust"}},
		{"C338", "environment: {POSTGRES_HOST_AUTH_METHOD: md5, ALLOW_EMPTY_PASSWORD: 'no', xpack.security.enabled: true}", nil},
	})
}

func TestVariablesThatAnImageReadsFromFiles(t *testing.T) {
	tests := []struct{ image, variable, want string }{
		{"postgres:17.2", "POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"},
		{"docker.io/library/mysql:8.4@" + digest, "MYSQL_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD_FILE"},
		{"grafana/grafana:11.1.0", "GF_SECURITY_ADMIN_PASSWORD", "GF_SECURITY_ADMIN_PASSWORD__FILE"},
		{"gitea/gitea:1.22", "GITEA__database__PASSWD", "GITEA__database__PASSWD__FILE"},
		{"localhost:5000/postgres:17", "POSTGRES_PASSWORD", ""},
		{"mongo:7", "MONGO_INITDB_PASSWORD", ""},
	}
	for _, test := range tests {
		text := "services:\n  db:\n    image: " + test.image + "\n    environment:\n      " + test.variable + ": ${GIVEN}\n"
		got := found(t, "C325", "compose.yml", text)
		switch {
		case test.want == "":
			expect(t, got)
		case len(got) != 1 || !strings.Contains(got[0], "expected "+test.want+"=/run/secrets/…"):
			t.Errorf("%s %s: found %q; expected %s", test.image, test.variable, got, test.want)
		}
	}
}

func TestSampleCredentials(t *testing.T) {
	sample := "TYPE=x\nDB_PASSWORD=hunter42\n#API_TOKEN=abcdefg1\nEMPTY_PASSWORD=\nSECRET_A_VERSION=v1\nOTHER_PASSWORD=$DB_PASSWORD\n"
	expect(t, found(t, "C322", "compose.yml", "services: {}\n", ".env.sample", sample),
		".env.sample:2:1-12 DB_PASSWORD has a value in .env.sample, which every app has that nobody edits; expected a secret, or no value")
}

func TestPublishedPorts(t *testing.T) {
	judge(t, []judged{
		{"C327", "ports: [5432, '33060:3306', 6379:6379/udp, '127.0.0.1:27017:27017', '${P}:9200']",
			[]string{"5432", "PostgreSQL", "'33060:3306'", "MySQL", "'${P}:9200'", "Elasticsearch"}},
		{"C327", "ports: [{target: 5432, published: 5432, mode: host}]", []string{"5432", "the node that runs it"}},
		{"C327", "ports: ['5432:8080']", nil},
		{"C328", "ports: ['8080:80', '80:8080', '443:443', '8443:443', 5432, '25:25', '53:53/udp', '2222:22', '${P}:3000']",
			[]string{"'8080:80'", `"8080:80"`, "'8443:443'", `"8443:443"`, "'${P}:3000'", "${P}:3000"}},
		{"C328", "ports: ['5060-5063:5060-5063', '68:68/tcp', '${P}:6881', '21115:21115', '64738', {target: 2022, published: 2022}]", nil},
		{"C327", "ports: ['6543:6543', '9230:9230', '29092:29092']", []string{"'6543:6543'", "PostgreSQL", "'9230:9230'", "debugger", "'29092:29092'", "Kafka"}},
		{"C329", "ports: ['127.0.0.1:80:80', '0.0.0.0:81:81', '[::1]:82:82', '192.0.2.1:83:83', '84:84']",
			[]string{"127.0.0.1", "127.0.0.1", "::1", "::1", "192.0.2.1", "192.0.2.1"}},
	})
	expect(t, found(t, "C328", "compose.yml", "services:\n  app: {image: 'traefik:v3.1'}\n", "compose.x.yml", "services:\n  app: {ports: ['8008:8008']}\n"))
	expect(t, found(t, "C328", "compose.yml", "services:\n  app: {image: 'ipfs/kubo:v0.30.0', ports: [4001, 8080]}\n  web: {image: 'getontime/ontime:v3', ports: [4001]}\n"),
		`compose.yml:2:51-55 port "8080" of service "app" is open on every address of every node, without the proxy's certificates and logins; expected Traefik labels instead`,
		`compose.yml:3:47-51 port "4001" of service "web" is open on every address of every node, without the proxy's certificates and logins; expected Traefik labels instead`)
}

func TestTraefik(t *testing.T) {
	judge(t, []judged{
		{"C330", "command: --api.insecure --x", []string{"--api.insecure", "--api.insecure"}},
		{"C330", "command: [--api.insecure=true]\nenvironment: [TRAEFIK_API_INSECURE=true]", []string{"--api.insecure", "--api.insecure", "TRAEFIK_API_INSECURE", "TRAEFIK_API_INSECURE"}},
		{"C330", "command: [--api.insecure=false, --api=true]", nil},
		{"C331", "deploy: {labels: ['traefik.http.routers.${S}.entrypoints=web']}", []string{"web", `router "${s}"`}},
		{"C331", "labels: {traefik.http.routers.a.entrypoints: web, traefik.http.routers.b.entrypoints: websecure}", []string{"web", "expected an entrypoint with TLS"}},
		{"C331", "labels: {traefik.http.routers.a.entrypoints: 'web,websecure'}", nil},
		{"C331", "labels: {traefik.http.routers.a.entrypoints: web, traefik.http.routers.a.middlewares: r}", nil},
		{"C331", "labels: {traefik.http.routers.a.entrypoints: web, traefik.http.routers.a.tls: true}", nil},
	})
}

func TestNamesOfCredentials(t *testing.T) {
	for _, name := range []string{"PASSWORD", "db_password", "MYSQL_PWD", "PGPASSWORD", "A__PASSWD", "JWT_SECRET", "API_KEY", "SECRET_KEY_BASE", "admin-token", "AWS_SECRET_ACCESS_KEY"} {
		if !secretName(name) {
			t.Errorf("%q is not taken for a secret's name", name)
		}
	}
	for _, name := range []string{"", "_", "PWD", "KEY", "PUBLIC_KEY", "ANON_KEY_TOKEN", "ACCESS_KEY_ID", "PASSWORD_FILE", "TOKENS", "COMPASS", "SECRET_A_VERSION", "CACHE_KEY"} {
		if secretName(name) {
			t.Errorf("%q is taken for a secret's name", name)
		}
	}
	if !slices.IsSorted(keyWords) {
		t.Error("keyWords are not sorted")
	}
}
