package rules

import (
	"cmp"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d502 = lint.Rule{
	ID: "D502", Name: "service-key-order",
	Summary: "the keys of services are in one order",
	Off:     true,
	Check:   checkServiceKeyOrder,
}

// serviceKeyOrder is what a service is made from, what it runs, whom it talks to,
// what it is told and keeps, what it may, and how it is looked after. Keys that
// are not named stand behind them, in any order.
var serviceKeyOrder = []string{
	"extends", "image", "build", "pull_policy", "platform", "container_name", "hostname", "domainname",
	"init", "user", "group_add", "working_dir", "entrypoint", "command", "stdin_open", "tty", "restart",
	"network_mode", "networks", "links", "ports", "expose", "extra_hosts", "dns",
	"env_file", "environment", "configs", "secrets", "volumes", "tmpfs", "devices", "shm_size",
	"privileged", "cap_add", "cap_drop", "security_opt", "read_only", "sysctls", "ulimits",
	"depends_on", "healthcheck", "stop_signal", "stop_grace_period", "deploy", "labels", "logging",
}

func checkServiceKeyOrder(p *lint.Pass) {
	ranks := make(map[string]int, len(serviceKeyOrder))
	for i, key := range serviceKeyOrder {
		ranks[key] = i + 1
	}
	rank := func(key string) int {
		if r, ok := ranks[key]; ok {
			return r
		}
		return len(serviceKeyOrder) + 1
	}
	compare := func(a, b string) int { return cmp.Compare(rank(a), rank(b)) }
	eachStyled(p, func(d *recipe.Document) {
		var slips []slip
		seen := once{}
		for _, service := range d.Lookup("services").Pairs() {
			if !service.IsMap() || !seen.first(service.Range()) {
				continue
			}
			if found, ok := misordered(service, false, compare, "it above"); ok {
				slips = append(slips, found)
			}
		}
		slices.SortFunc(slips, func(a, b slip) int { return cmp.Compare(a.at.Start.Line, b.at.Start.Line) })
		reportSlips(p, d, slips, false)
	})
}
