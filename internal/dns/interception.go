package dns

import (
	"context"
	"time"

	"github.com/miekg/dns"
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
func (a *Authority) TestInterception(ctx context.Context, host string, beforeVerdict bool) {
	if !a.o.InterceptionTest || !a.claimTest(beforeVerdict) {
		return
	}
	reply := a.o.Exchanger.Exchange(ctx, a.o.Nobody, Query{Name: host, Type: dns.TypeA})
	p := &a.state
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil && reply.Received.IsZero() {
		p.tested = time.Time{} // cut short: the next round tests again
		return
	}
	p.intercepted = !reply.Received.IsZero()
}

// claimTest says whether a test is due, and that somebody makes it.
func (a *Authority) claimTest(beforeVerdict bool) bool {
	p := &a.state
	p.mu.Lock()
	defer p.mu.Unlock()
	now := a.o.Now()
	valid := testClean
	switch {
	case p.answered.IsZero():
		return false
	case p.intercepted:
		valid = testIntercepted
	case beforeVerdict:
		valid = testBefore
	}
	if !p.tested.IsZero() && now.Sub(p.tested) < valid {
		return false
	}
	p.tested = now
	return true
}
