package dns

import (
	"context"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// How long a test of interception stands: clean, intercepted (in which state nothing else is asked), and clean before
// a delegation is walked for a verdict.
const (
	testClean       = time.Hour
	testIntercepted = 10 * time.Minute
	testBefore      = 5 * time.Minute
)

// TestInterception asks a documentation address for host, if a test is due: nothing there should answer, so that
// whatever does answers for any address. It is due once an hour, before a verdict (a delegation is walked) more often,
// and only after some server has answered: nothing to be doubted has been said before.
//
// One test stands for all hosts: where another host's round makes one, it is waited for. False says that none could be
// made in time: what the zones' servers seem to have said meanwhile is then not to be believed.
func (a *Authority) TestInterception(ctx context.Context, host string, beforeVerdict bool) (stands bool) {
	if !a.o.InterceptionTest {
		return true
	}
	for {
		ended, mine := a.claimTest(beforeVerdict)
		switch {
		case ended == nil:
			return true
		case mine:
			return a.endTest(ended, a.o.Exchanger.Exchange(ctx, a.o.Nobody, Query{Name: host, Type: dns.TypeA}))
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return false
		}
	}
}

// claimTest says whether a test is to be waited for, and until when: one under way, or one that is due and mine to make.
func (a *Authority) claimTest(beforeVerdict bool) (ended chan struct{}, mine bool) {
	p := &a.state
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.testing != nil {
		return p.testing, false
	}
	now := a.o.Now()
	valid := testClean
	switch {
	case p.answered.IsZero():
		return nil, false
	case p.intercepted:
		valid = testIntercepted
	case beforeVerdict:
		valid = testBefore
	}
	if !p.tested.IsZero() && now.Sub(p.tested) < valid {
		return nil, false
	}
	p.tested, p.testing = now, make(chan struct{})
	return p.testing, true
}

// endTest takes what came of a test. One that was cut short is no test: the next round makes another.
func (a *Authority) endTest(ended chan struct{}, reply Reply) (stands bool) {
	p := &a.state
	p.mu.Lock()
	defer p.mu.Unlock()
	p.testing = nil
	close(ended)
	if reply.Failure == measurement.DNSOutOfTime {
		p.tested = time.Time{}
		return false
	}
	p.intercepted = !reply.Received.IsZero()
	return true
}
