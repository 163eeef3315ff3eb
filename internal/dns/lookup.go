package dns

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Types are the address types, in the order in which they are asked and listed.
var Types = [2]uint16{dns.TypeA, dns.TypeAAAA}

// Lookup asks one resolver for a host's addresses of both families at the same time. host is in lower case with the
// final dot. If there is no address, Lookup repeats the questions that were answered with EDNS once without, because
// some servers answer with an empty message instead of an error. patience is the time that the resolver gets; 0: that
// of [ResolverTimers]. tracker shows how far the look-up has come; may be nil.
func Lookup(ctx context.Context, x Exchanger, resolver netip.AddrPort, host string, patience time.Duration, tracker *Tracker) measurement.Lookup {
	q := Query{Name: host, Recursive: true, Patience: patience, Tracker: tracker}
	l := measurement.Lookup{Resolver: resolver, Answers: make([]measurement.Answer, len(Types))}
	var took time.Duration
	l.Answers, took = ask(ctx, x, &l, q, func(measurement.Answer) bool { return true })
	summarise(&l)
	if len(l.Addresses) == 0 && slices.ContainsFunc(l.Answers, ednsMayBeTheCause) {
		q.WithoutEDNS = true
		plain := measurement.Lookup{Resolver: resolver}
		var again time.Duration
		plain.Answers, again = ask(ctx, x, &l, q, ednsMayBeTheCause)
		took += again
		if summarise(&plain); len(plain.Addresses) > 0 {
			l = plain
		}
	}
	l.Took = took
	return l
}

// ask asks the resolver of a look-up for the types whose answers are to be replaced, at the same time. It returns the
// new set of answers, and how long the longer exchange took.
func ask(
	ctx context.Context, x Exchanger, l *measurement.Lookup, q Query, replace func(measurement.Answer) bool,
) (answers []measurement.Answer, took time.Duration) {
	out := slices.Clone(l.Answers)
	var types []uint16
	for i, typ := range Types {
		if replace(out[i]) {
			types = append(types, typ)
		}
	}
	for i, reply := range x.ExchangeTypes(ctx, l.Resolver, q, types) {
		answer := &out[slices.Index(Types[:], types[i])]
		reply.Tries += answer.Tries
		*answer = reply.Answer
		took = max(took, reply.Took)
	}
	return out, took
}

// ednsMayBeTheCause reports whether EDNS in the question may be the reason why the answer has no address.
// [Client.Exchange] repeats a question without EDNS after all other failures, but not after an answer without data or
// NXDOMAIN.
func ednsMayBeTheCause(a measurement.Answer) bool {
	return (a.Failure == measurement.DNSNoAddress || a.Failure == measurement.DNSNXDomain) && !a.WithoutEDNS
}

// summarise derives the addresses, the TTL and the failure of a look-up from its two answers.
func summarise(l *measurement.Lookup) {
	haveTTL := false
	for _, typ := range []uint16{dns.TypeAAAA, dns.TypeA} {
		for i := range l.Answers {
			a := &l.Answers[i]
			addresses := a.Addresses()
			if a.Type != typ || len(addresses) == 0 {
				continue
			}
			for _, addr := range addresses {
				if addr = addr.Unmap(); !slices.Contains(l.Addresses, addr) {
					l.Addresses = append(l.Addresses, addr)
				}
			}
			if ttl, ok := a.TTL(); ok && (!haveTTL || time.Duration(ttl)*time.Second < l.TTL) {
				l.TTL, haveTTL = time.Duration(ttl)*time.Second, true
			}
		}
	}
	if len(l.Addresses) > 0 && l.Answers[0].Failure == measurement.DNSTimeout {
		// libc waits for both answers, and gives up if that for A does not arrive.
		l.Addresses, l.TTL, l.Failure, l.Detail = nil, 0, l.Answers[0].Failure, l.Answers[0].Detail
		return
	}
	if len(l.Addresses) > 0 {
		if ede, ok := l.Filtered(); ok { // beside 0.0.0.0, or the address of a block page
			l.Detail = measurement.Detail{Kind: measurement.DNSDetailFiltered, EDE: ede}
		}
		return
	}
	best := len(failureRank)
	for i := range l.Answers {
		if rank := slices.Index(failureRank, l.Answers[i].Failure); rank >= 0 && rank < best {
			best, l.Failure, l.Detail = rank, l.Answers[i].Failure, l.Answers[i].Detail
		}
	}
	if l.Failure == "" {
		l.Failure, l.Detail = measurement.DNSNoAddress, measurement.Detail{Kind: measurement.DNSDetailNoAddress}
	}
}

// failureRank orders failures by how much they tell about the name: where the two answers fail differently, the
// look-up gets the failure that stands first. "No address" stands last, because it holds only if both answers agree:
// the other answer, had it arrived, might have held an address.
var failureRank = []measurement.DNSFailure{
	measurement.DNSNXDomain, measurement.DNSRefused, measurement.DNSServFail, measurement.DNSLoop, measurement.DNSMalformed, measurement.DNSRcode,
	measurement.DNSUnreachable, measurement.DNSTimeout, measurement.DNSOutOfTime, measurement.DNSNoAddress,
}
