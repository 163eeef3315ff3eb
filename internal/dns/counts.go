package dns

import (
	"slices"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// The sizes of [measurement.DNSLegs] and [measurement.DNSRcodes].
const (
	legCount   = 2
	rcodeCount = 8
)

// rcodeLabel names a response code as [measurement.DNSRcodes] does.
func rcodeLabel(rcode int) string {
	if rcode >= dns.RcodeSuccess && rcode <= dns.RcodeRefused {
		return measurement.DNSRcodes[rcode]
	}
	return measurement.RcodeOther
}

// Counts counts the questions sent, by leg and outcome. It is safe for concurrent use; a nil Counts counts nothing.
type Counts struct {
	n [legCount][rcodeCount]atomic.Uint64
}

// All lists every combination of leg and outcome, including those that are 0.
func (c *Counts) All() []measurement.QueryCount {
	out := make([]measurement.QueryCount, 0, legCount*rcodeCount)
	for i, leg := range measurement.DNSLegs {
		for j, rcode := range measurement.DNSRcodes {
			out = append(out, measurement.QueryCount{Leg: leg, Rcode: rcode, Count: c.n[i][j].Load()})
		}
	}
	return out
}

func (c *Counts) add(q Query, rcode string, n int) {
	if c == nil || n == 0 {
		return
	}
	leg := measurement.LegAuthority
	if q.Recursive {
		leg = measurement.LegResolver
	}
	c.n[slices.Index(measurement.DNSLegs, leg)][slices.Index(measurement.DNSRcodes, rcode)].Add(uint64(n))
}
