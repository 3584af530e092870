package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s226 = lint.Rule{
	ID: "S226", Name: "start-first-database",
	Summary:  "no database is updated with order: start-first",
	Severity: lint.Warning,
	Check:    checkStartFirstDatabase,
}

// singleWriters are images whose data folder takes one process at a time, by the
// last part of their name.
var singleWriters = map[string]bool{
	"mysql": true, "mariadb": true, "percona": true, "percona-server": true, "postgres": true, "postgresql": true, "postgis": true, "pgvector": true,
	"timescaledb": true, "timescaledb-ha": true, "mongo": true, "mongodb": true, "redis": true, "valkey": true, "keydb": true,
	"elasticsearch": true, "opensearch": true, "influxdb": true, "clickhouse-server": true, "clickhouse": true, "neo4j": true,
	"couchdb": true, "rabbitmq": true, "meilisearch": true, "prometheus": true, "victoria-metrics": true, "etcd": true,
	"cassandra": true, "mssql-server": true, "server": false,
}

func checkStartFirstDatabase(p *lint.Pass) {
	eachDeployService(p, "start-first", func(f *deployFinder, s deployService) {
		order, first := s.startFirst()
		name := strings.ToLower(s.imageName())
		if !first || !singleWriters[name] {
			return
		}
		for _, m := range s.mounts() {
			if m.readOnly || m.kind != "volume" && m.kind != "bind" || m.source == "" || strings.Contains(m.target, "/etc/") || strings.HasSuffix(m.target, ".sock") ||
				strings.Contains(m.target, "initdb") || strings.Contains(m.target, "backup") {
				continue
			}
			f.report(deployPlace(order), fmt.Sprintf("order: start-first starts a second %s on %q, the data of service %q, while the first one still writes; expected stop-first",
				name, m.source, s.name), append(relatedTo(s.get("image"), order, "the image"), stopFirst(order)...)...)
			return
		}
	})
}

// startFirst tells whether updates start the new task before the old one stops.
func (s deployService) startFirst() (order recipe.Node, first bool) {
	order = s.get("deploy", "update_config", "order")
	text, known := deployText(order)
	return order, known && text == "start-first"
}

// stopFirst is the fix that costs a moment without the service.
func stopFirst(order recipe.Node) []lint.Option {
	at := deployPlace(order)
	return []lint.Option{lint.WithFix(lint.Fix{
		Message: "stop the old task first",
		Edits:   []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: "stop-first"}},
	})}
}
