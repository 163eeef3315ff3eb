package dns

import (
	"context"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// How long the result of an interception test holds: clean, intercepted (while nothing else is asked), and clean
// before a delegation is walked for a verdict.
const (
	testClean       = time.Hour
	testIntercepted = 10 * time.Minute
	testBefore      = 5 * time.Minute
)

// interceptionTest is one test, shared by all hosts.
type interceptionTest struct {
	client *ZoneClient
	host   string
	valid  bool // the test was completed
}

// TestInterception asks a documentation address for host, unless a recent test holds: nothing there should answer, so
// that anything that does answers for any address. A test holds for an hour, or for five minutes before a verdict.
// None is made before some server has answered, because there is nothing to doubt yet.
//
// One test serves all hosts. It runs on when TestInterception has returned; wait waits for its end, and returns false
// if no test could be completed before ctx was done: the answers of authoritative servers must then not be believed.
func (c *ZoneClient) TestInterception(ctx context.Context, host string, beforeVerdict bool) (wait func() (valid bool)) {
	if !c.options.InterceptionTest || !c.port53.hasAnswered() {
		return func() bool { return true }
	}
	holds := testClean
	switch {
	case c.port53.isIntercepted():
		holds = testIntercepted
	case beforeVerdict:
		holds = testBefore
	}
	call, err := c.tests.Join(struct{}{}, holds, searchBudget, func() *interceptionTest {
		return &interceptionTest{client: c, host: host}
	})
	return func() bool { return err == nil && call.Wait(ctx) && call.Computation().valid }
}

// Run makes the test. One that this machine could not complete says nothing, so that the next caller repeats it.
func (t *interceptionTest) Run(ctx context.Context) (keep bool) {
	o := &t.client.options
	reply := o.Exchanger.Exchange(ctx, o.Unanswered, Query{Name: t.host, Type: dns.TypeA})
	if reply.Failure == measurement.DNSOutOfTime {
		return false
	}
	t.client.port53.setIntercepted(!reply.Received.IsZero())
	t.valid = true
	return true
}
