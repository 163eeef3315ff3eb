package dns

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

func TestNAT64Prefixes(t *testing.T) {
	for _, test := range []struct {
		name  string
		aaaa  []string
		rcode int
		want  string
	}{
		{"the well-known prefix", []string{"64:ff9b::c000:aa", "64:ff9b::c000:ab"}, 0, "[64:ff9b::/96]"},
		{"a unique local prefix of 96 bits", []string{"fd64::c000:aa"}, 0, "[fd64::/96]"},
		{"of 64 bits", []string{"fd64:0:0:1:c0:0:aa00:0"}, 0, "[fd64:0:0:1::/64]"},
		{"of 56 bits", []string{"fd64:0:0:1c0:0:aa::"}, 0, "[fd64:0:0:100::/56]"},
		{"of 48 bits", []string{"fd64:0:1:c000:0:aa00::"}, 0, "[fd64:0:1::/48]"},
		{"of 40 bits", []string{"fd64:0:c0:0:aa::"}, 0, "[fd64::/40]"},
		{"of 32 bits", []string{"fd64:1:c000:aa::"}, 0, "[fd64:1::/32]"},
		{"two prefixes", []string{"fd64::c000:aa", "fd65::c000:ab"}, 0, "[fd64::/96 fd65::/96]"},
		{"another address: none", []string{"2001:db8::1"}, 0, "[]"},
		{"no address: none", nil, 0, "[]"},
		{"NXDOMAIN: none", nil, dns.RcodeNameError, "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(lab.Network)
				asked := 0
				n.Put(somewhere, answers(func(q *dns.Msg, _ time.Time) *dns.Msg {
					asked++
					m := reply(q)
					for _, a := range test.aaaa {
						m.Answer = append(m.Answer, reply(q, ipv4only+" 60 IN AAAA "+a).Answer...)
					}
					m.Rcode = test.rcode
					return m
				}))
				nat64 := NewNAT64(&Client{Dial: n.Dial}, time.Now)
				defer nat64.Close()
				for range 3 {
					if got := fmt.Sprint(nat64.Prefixes(context.Background(), somewhere)); got != test.want {
						t.Errorf("%s, want %s", got, test.want)
					}
				}
				if asked != 1 {
					t.Errorf("asked %d times within the hour", asked)
				}
			})
		})
	}
}
