package dns

import (
	"net/netip"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Tracker shows how far a look-up has come, to callers that cannot wait for its end. The zero value is ready to use,
// for one look-up. It is safe for concurrent use.
type Tracker struct {
	mu        sync.Mutex
	exchanges [len(Types)]Progress
}

// Progress is how far an exchange to which nothing has been answered has come.
type Progress struct {
	Asked time.Time     // when the first question was sent
	Sent  int           // questions
	Until time.Time     // the exchange waits for an answer until then; zero: it does not wait
	Late  time.Duration // how late this process ran after a deadline, at most
}

// Report stores the progress of the exchange of one type, which an [Exchanger] may do before it waits; the zero value
// at its end. A nil Tracker stores nothing.
func (t *Tracker) Report(typ uint16, p Progress) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range Types {
		if Types[i] == typ {
			t.exchanges[i] = p
		}
	}
}

// Silent reports whether the resolver has been silent for a time, with as many questions sent as a verdict needs, and
// returns the look-up as if it ended now. It is false if an exchange has ended or has got an answer, and if this
// machine has been suspended, in which case an answer may wait to be read.
func (t *Tracker) Silent(resolver netip.AddrPort, name string, silence time.Duration) (l measurement.Lookup, ok bool) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	l = measurement.Lookup{Resolver: resolver, Answers: make([]measurement.Answer, len(Types))}
	for i, p := range t.exchanges {
		after := now.Sub(p.Asked)
		if p.Until.IsZero() || p.Sent < minDatagrams || after < silence || max(p.Late, now.Sub(p.Until)) > lateWake {
			return measurement.Lookup{}, false
		}
		l.Answers[i] = measurement.Answer{
			Server: resolver, Name: name, Type: Types[i], Asked: p.Asked, Tries: p.Sent, Failure: measurement.DNSTimeout,
			Detail: measurement.Detail{Kind: measurement.DNSDetailSilent, N: p.Sent, After: after},
		}
		l.Took = max(l.Took, after)
	}
	summarise(&l)
	return l, true
}
