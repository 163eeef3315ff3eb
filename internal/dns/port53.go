package dns

import (
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Port 53 counts as blocked when blockedAfter questions, to two servers where there are two, have gone unanswered and
// no server at all has answered for blockedFor. The outage of a single zone can look the same; the verdict is unknown
// in either case.
const (
	blockedAfter = 3
	blockedFor   = 5 * time.Minute
)

// maxSilentServers bounds the silent servers that are remembered.
const maxSilentServers = 16

// port53 summarises the answers of all authoritative servers.
type port53 struct {
	mu            sync.Mutex
	answered      time.Time // newest answer of any server
	authoritative time.Time // newest answer with AA
	other         time.Time // newest answer without AA; a refusal is one
	unanswered    int       // questions without an answer since answered
	silent        map[netip.AddrPort]bool
	intercepted   bool
}

// recordExchange records the reply of a server, or that none came.
func (p *port53) recordExchange(at netip.AddrPort, r *Reply, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Received.IsZero() {
		p.unanswered++
		if len(p.silent) < maxSilentServers {
			p.silent[at] = true
		}
		return
	}
	p.answered, p.unanswered = now, 0
	clear(p.silent)
	switch {
	case r.AA:
		p.authoritative = now
	case r.Failure == measurement.DNSRefused, r.Rcode == dns.RcodeSuccess && len(r.Records) > 0 && r.Failure != measurement.DNSMalformed:
		p.other = now
	}
}

// hasAnswered reports whether any server has ever answered.
func (p *port53) hasAnswered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.answered.IsZero()
}

func (p *port53) isIntercepted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.intercepted
}

func (p *port53) setIntercepted(intercepted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intercepted = intercepted
}

func (p *port53) isBlocked(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blocked(now)
}

// blocked is isBlocked with p.mu held.
func (p *port53) blocked(now time.Time) bool {
	if p.unanswered < blockedAfter || !p.answered.IsZero() && now.Sub(p.answered) < blockedFor {
		return false
	}
	return len(p.silent) > 1 || p.unanswered > 2*blockedAfter
}

// Port53State is what the answers of all authoritative servers show of port 53 at this time.
func (c *ZoneClient) Port53State() measurement.Port53State {
	p := &c.port53
	p.mu.Lock()
	defer p.mu.Unlock()
	now := c.options.Now()
	switch {
	case p.intercepted:
		return measurement.Port53Intercepted
	case p.blocked(now):
		return measurement.Port53Blocked
	case p.other.After(p.authoritative) && (p.authoritative.IsZero() || now.Sub(p.authoritative) >= blockedFor):
		return measurement.Port53NotAuthoritative
	case !p.authoritative.IsZero():
		return measurement.Port53OK
	}
	return ""
}
