package dns

import (
	"net/netip"
	"sync"
	"time"
)

// Some DNS servers and the proxies of gateways cannot handle the OPT record of EDNS (RFC 6891): they answer with an
// error, with a broken or empty message, or not at all. Devices send no OPT record and do not notice. A question
// whose answer is unusable is therefore asked once more without it, and a server that answers only then is asked
// without it from then on.
const (
	withoutEDNSFor = time.Hour
	// ednsFailures is how many exchanges in a row must succeed only without EDNS, where the failure with it may have
	// been temporary. One look-up makes two exchanges.
	ednsFailures = 2
	// maxEDNSServers bounds the servers remembered.
	maxEDNSServers = 1024
)

// ednsMemory remembers which servers cannot handle EDNS. The zero value is ready to use. It is safe for concurrent use.
type ednsMemory struct {
	mu      sync.Mutex
	servers map[netip.AddrPort]ednsServer
}

type ednsServer struct {
	failures int       // in a row
	until    time.Time // the server is asked without EDNS
}

// avoided reports whether a server is to be asked without EDNS.
func (m *ednsMemory) avoided(at netip.AddrPort, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.Before(m.servers[at].until)
}

// worked records a usable answer to a question with EDNS.
func (m *ednsMemory) worked(at netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.servers, at)
}

// failed records a usable answer that came only after asking without EDNS. certain is true if the failure with EDNS
// cannot have been temporary.
func (m *ednsMemory) failed(at netip.AddrPort, certain bool, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.servers == nil {
		m.servers = make(map[netip.AddrPort]ednsServer)
	}
	s, known := m.servers[at]
	if !known {
		makeRoom(m.servers, maxEDNSServers, func(old ednsServer) bool { return !now.Before(old.until) })
	}
	s.failures++
	if certain || s.failures >= ednsFailures {
		s = ednsServer{until: now.Add(withoutEDNSFor)}
	}
	m.servers[at] = s
}
