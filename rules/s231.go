package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s231 = lint.Rule{
	ID: "S231", Name: "replicated-volume",
	Summary:  "no service with several replicas writes to a volume of the local driver",
	Severity: lint.Warning,
	Check:    checkReplicatedVolume,
}

// clustered are images whose replicas each have data of their own, and copy it
// among themselves.
var clustered = map[string]bool{
	"consul": true, "etcd": true, "zookeeper": true, "nats": true, "cassandra": true, "scylla": true, "cockroach": true, "kafka": true,
	"cp-kafka": true, "redpanda": true, "rqlite": true, "vault": true, "galera": true, "mariadb-galera": true, "garage": true,
}

func checkReplicatedVolume(p *lint.Pass) {
	eachDeployService(p, "replicas", func(f *deployFinder, s deployService) {
		replicas, count, known := s.replicas()
		if !known || count < 2 || s.placed() || s.mode() != "replicated" || clustered[s.imageName()] || !forSwarm(p) {
			return
		}
		for _, m := range s.mounts() {
			if m.kind != "volume" || m.source == "" || m.readOnly || !s.stack.localVolume(m.source) {
				continue
			}
			f.report(m.at, fmt.Sprintf("volume %q is a folder of its own on each node, and service %q has %d replicas that would not see each other's files; expected one replica, a constraint to one node, or a volume driver that shares",
				m.source, s.name, count), lint.WithRelated(replicas.Range(), "the replicas"))
		}
	})
}
