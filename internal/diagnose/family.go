package diagnose

import (
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// brokenFamily is the address family over which nothing passes on a path, where everything passes over the other. ok is
// false if the failures of the path do not split exactly by family, or are not those of a network that stops packets.
func brokenFamily(p *report.Path) (family config.IPVersion, ok bool) {
	var passing, broken []config.IPVersion
	for i := range p.Walks {
		w := &p.Walks[i]
		version := config.VersionOf(w.Outcome.Address.Addr())
		switch {
		case w.Withdrawn:
		case w.Finding.Reason == reason.OK && !w.Unproven:
			passing = union(passing, []config.IPVersion{version})
		case w.Finding.Reason.Class() == reason.Blocked && w.Finding.Advice != reason.CheckAddress:
			broken = union(broken, []config.IPVersion{version})
		default:
			return 0, false
		}
	}
	if len(passing) != 1 || len(broken) != 1 || slices.Equal(passing, broken) {
		return 0, false
	}
	return broken[0], true
}
