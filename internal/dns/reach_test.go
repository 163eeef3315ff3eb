package dns

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestReaches(t *testing.T) {
	rcode := func(code int, ede ...uint16) answers {
		return func(q *dns.Msg, _ time.Time) *dns.Msg {
			m := reply(q)
			m.Rcode = code
			m.SetEdns0(1232, false)
			for _, code := range ede {
				m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: code})
			}
			return m
		}
	}
	for _, test := range []struct {
		name    string
		answer  answers // to a name of the zone that no cache holds
		within  time.Duration
		reaches bool
		ok      bool
	}{
		{"NXDOMAIN: it reaches the zone", rcode(dns.RcodeNameError), time.Minute, true, true},
		{"no address: it reaches the zone", rcode(dns.RcodeSuccess), time.Minute, true, true},
		{"SERVFAIL: it does not", rcode(dns.RcodeServerFailure), time.Minute, false, true},
		{"silence: it does not", func(*dns.Msg, time.Time) *dns.Msg { return nil }, time.Minute, false, true},
		{"an expired answer: it does not", rcode(dns.RcodeSuccess, dns.ExtendedErrorCodeStaleAnswer), time.Minute, false, true},
		{"an expired NXDOMAIN: it does not", rcode(dns.RcodeNameError, dns.ExtendedErrorCodeStaleNXDOMAINAnswer), time.Minute, false, true},
		{"the round ends first: not known", func(*dns.Msg, time.Time) *dns.Msg { return nil }, time.Second, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, n *internet) {
				if _, ok := n.sample("plain.example.", 0); !ok {
					t.Fatal("no sample")
				}
				var mu sync.Mutex
				asked := make(map[string]bool) // guarded by mu: a query that is not answered is repeated
				n.put(resolver, answers(func(q *dns.Msg, now time.Time) *dns.Msg {
					name := q.Question[0].Name
					if parentOf(name) != "example." || len(name) < 20 {
						t.Errorf("asked for %s", name)
					}
					mu.Lock()
					asked[name] = true
					mu.Unlock()
					return test.answer(q, now)
				}))
				ctx, cancel := context.WithTimeout(context.Background(), test.within)
				defer cancel()
				reaches, ok := n.zoneClient.Reaches(ctx, resolvers, resolvers[0], "plain.example.")
				mu.Lock()
				defer mu.Unlock()
				if reaches != test.reaches || ok != test.ok || len(asked) == 0 {
					t.Errorf("reaches %v, ok %v, %d names asked", reaches, ok, len(asked))
				}
			})
		})
	}
}
