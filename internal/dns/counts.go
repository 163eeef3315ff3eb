package dns

import (
	"slices"
	"sync/atomic"

	"github.com/miekg/dns"
)

// Labels beside the response codes: a question without an answer in time, and everything else (another code, an answer
// that breaks the protocol, ICMP, a question that the round's end cut off).
const (
	rcodeTimeout = "timeout"
	rcodeOther   = "other"
)

// legs are whom a question goes to.
var legs = [2]string{"resolver", "authority"}

// rcodes is the fixed set of labels.
var rcodes = [8]string{"noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", rcodeTimeout, rcodeOther}

// rcodeLabel names a response code (RFC 1035 §4.1.1).
func rcodeLabel(rcode int) string {
	if rcode >= dns.RcodeSuccess && rcode <= dns.RcodeRefused {
		return rcodes[rcode]
	}
	return rcodeOther
}

// Counts counts every question sent, by whom it went to and how it ended. It is safe for concurrent use; a nil one counts
// nothing.
type Counts struct {
	n [len(legs)][len(rcodes)]atomic.Uint64
}

// Count is one of them.
type Count struct {
	Leg, Rcode string
	N          uint64
}

// All lists every combination, those at 0 too.
func (c *Counts) All() []Count {
	out := make([]Count, 0, len(legs)*len(rcodes))
	for i, leg := range legs {
		for j, rcode := range rcodes {
			out = append(out, Count{leg, rcode, c.n[i][j].Load()})
		}
	}
	return out
}

func (c *Counts) add(q Query, rcode string, n int) {
	if c == nil || n == 0 {
		return
	}
	leg := 1
	if q.Recursive {
		leg = 0
	}
	c.n[leg][slices.Index(rcodes[:], rcode)].Add(uint64(n))
}
