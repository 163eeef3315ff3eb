package dns

import (
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Port 53 counts as blocked when so many questions, to two servers where there are two, have gone unanswered and no
// server at all has answered for so long. A single zone's outage can look the same; the verdict is unknown either way.
const (
	blockedAfter = 3
	blockedFor   = 5 * time.Minute
)

// maxFailing bounds the servers told apart.
const maxFailing = 16

// pathState is what the questions to all servers amount to.
type pathState struct {
	mu          sync.Mutex
	answered    time.Time // by any server
	aa, noAA    time.Time // newest answer with and without authority; a refusal is one without
	fails       int       // questions unanswered since answered
	failing     map[netip.AddrPort]bool
	intercepted bool
	tested      time.Time     // of interception: when the newest test began
	testing     chan struct{} // closed when the test under way ends; nil: none is
}

// heard takes one exchange.
func (p *pathState) heard(at netip.AddrPort, r *Reply, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Received.IsZero() {
		p.fails++
		if len(p.failing) < maxFailing {
			p.failing[at] = true
		}
		return
	}
	p.answered, p.fails = now, 0
	clear(p.failing)
	switch {
	case r.AA:
		p.aa = now
	case r.Failure == measurement.DNSRefused, r.Rcode == dns.RcodeSuccess && len(r.Records) > 0 && r.Failure != measurement.DNSMalformed:
		p.noAA = now
	}
}

func (p *pathState) blocked(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.isBlocked(now)
}

func (p *pathState) isBlocked(now time.Time) bool {
	if p.fails < blockedAfter || !p.answered.IsZero() && now.Sub(p.answered) < blockedFor {
		return false
	}
	return len(p.failing) > 1 || p.fails > 2*blockedAfter
}

func (p *pathState) isIntercepted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.intercepted
}

// Path says what is known of port 53 now.
func (a *Authority) Path() measurement.AuthorityPath {
	p := &a.state
	p.mu.Lock()
	defer p.mu.Unlock()
	now := a.o.Now()
	switch {
	case p.intercepted:
		return measurement.AuthorityPathIntercepted
	case p.isBlocked(now):
		return measurement.AuthorityPathBlocked
	case p.noAA.After(p.aa) && (p.aa.IsZero() || now.Sub(p.aa) >= blockedFor):
		return measurement.AuthorityPathNotAuthoritative
	case !p.aa.IsZero():
		return measurement.AuthorityPathOK
	}
	return ""
}
