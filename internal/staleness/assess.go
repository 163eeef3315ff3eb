package staleness

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// opinion is the verdict of one type, before the two are joined.
type opinion struct {
	verdict Verdict
	why     string
	ready   time.Time
	none    bool // the name has no address of this type, at the zone or at the resolver: it says nothing
}

// weight orders verdicts for joining: the worst wins.
var weight = map[Verdict]int{OK: 0, Unknown: 1, Suspect: 2, Stale: 3}

// Assess says what is known of the host at this resolver. Call it once for each resolver at the end of a round. The two
// types, A and AAAA, are judged apart; the worse verdict is the host's.
func (h *Host) Assess(resolver netip.AddrPort, now time.Time) Assessment {
	r := h.resolver(resolver)
	a := Assessment{Verdict: Unknown, Counts: counts()}
	var joined *opinion
	for _, typ := range types {
		h.settle(r, typ, now)
		w := r.watches[typ]
		a.TTLExcess = max(a.TTLExcess, w.excess.within(now, h.c.Hold))
		a.Staleness = max(a.Staleness, w.staleness.within(now, h.c.Hold))
		a.Withdrawn = append(a.Withdrawn, h.withdrawn(r, typ, w.now)...)
		op := h.opinion(r, typ, now)
		switch {
		case joined == nil, joined.none && !op.none, joined.none == op.none && weight[op.verdict] > weight[joined.verdict]:
			joined = &op
		}
	}
	a.Verdict, a.Why, a.Ready = joined.verdict, joined.why, joined.ready
	for k, n := range r.counts {
		a.Counts[k] = n
	}
	return a
}

// opinion is the verdict on one type.
func (h *Host) opinion(r *resolver, typ uint16, now time.Time) opinion {
	w, f := r.watches[typ], h.family(typ)
	switch {
	case w.ttlProved(now, h.c):
		return opinion{verdict: Stale, why: h.ttlWords(w, now)}
	case w.addressProved(now, h.c):
		return opinion{verdict: Stale, why: addressWords(w)}
	case w.spokenProved(now, h.c):
		return opinion{verdict: Stale, why: spokenWords}
	case !w.suspected.IsZero() && now.Sub(w.suspected) <= h.c.Hold:
		op := opinion{verdict: Suspect, why: w.why}
		if ready := later(f.cov, w.cov).Add(h.c.Learning); !f.cov.IsZero() && now.Before(ready) {
			op.ready = ready
		}
		return op
	case w.pending != "":
		return opinion{verdict: Suspect, why: w.pending}
	case w.now == nil || len(w.now.records) == 0:
		return opinion{verdict: Unknown, why: "the resolver gives no address", none: true}
	case h.o.ExpectedTTL > 0:
		return h.asserted(w, now)
	}
	return h.direct(w, f, now)
}

// asserted is the opinion where the TTL is given by the configuration.
func (h *Host) asserted(w *watch, now time.Time) opinion {
	if ready := w.cov.Add(h.c.Learning); now.Before(ready) {
		return opinion{verdict: Unknown, why: learningWords(ready.Sub(now)), ready: ready}
	}
	return opinion{verdict: OK, why: fmt.Sprintf("its TTLs stay within the %s that the configuration expects", words(h.o.ExpectedTTL))}
}

// direct is the opinion that rests on the zone's servers, where there is no sign against the resolver.
func (h *Host) direct(w *watch, f *family, now time.Time) opinion {
	switch {
	case h.o.NoAuthority:
		return opinion{verdict: Unknown, why: "the zone's servers are not asked (authority.mode: off): give expected_ttl to have TTLs judged"}
	case !f.sampled:
		return opinion{verdict: Unknown, why: "the zone's servers have not been asked yet"}
	case f.failure == measurement.SampleNoAddress:
		return opinion{verdict: Unknown, why: "the zone's servers give no address of this family, the resolver does: it makes its own, or sees another view", none: true}
	case (f.failure == measurement.SampleSilent || f.failure == measurement.SampleRefused) && !f.lastValid.IsZero() && now.Sub(f.lastValid) <= h.gap():
		// One lost sample is no change.
	case f.failure != "":
		return opinion{verdict: Unknown, why: failureWords[f.failure]}
	}
	if i := h.interval(); i > h.widest() {
		return opinion{verdict: Unknown, why: fmt.Sprintf("rounds are %s apart: the proof needs one at least every %s", words(i), words(h.widest()))}
	}
	if ready := later(f.cov, w.cov).Add(h.c.Learning); now.Before(ready) {
		return opinion{verdict: Unknown, why: learningWords(ready.Sub(now)), ready: ready}
	}
	if !ownView(w.now, f) {
		return opinion{verdict: Unknown, why: "it gives addresses that the zone's servers have not given us: it sees another view of the zone, or its addresses are many"}
	}
	why := "no sign that records are kept past their TTL"
	if !w.frozen.IsZero() && now.Sub(w.frozen) <= h.c.Hold {
		why += "; the TTLs it gives do not count down (serve-original-ttl, keepttl): whoever asks it keeps records too long"
	}
	return opinion{verdict: OK, why: why}
}

// ownView says whether the answer has an address of the zone's.
func ownView(ob *observed, f *family) bool {
	for _, r := range ob.records {
		if !r.Addr.IsValid() {
			continue
		}
		for _, o := range f.owners {
			if o.values[valueOf(r)] != nil {
				return true
			}
		}
	}
	return false
}

var failureWords = map[measurement.SampleFailure]string{
	measurement.SampleSilent:           "the zone's servers do not answer us: cannot be judged now",
	measurement.SampleBlocked:          "port 53 to the zone's servers is blocked: cannot be judged here",
	measurement.SampleIntercepted:      "port 53 to the zone's servers is intercepted, somebody else answers for them: cannot be judged here",
	measurement.SampleNotAuthoritative: "what answers for the zone's servers is no authority (a DNS proxy on the way?): cannot be judged here",
	measurement.SampleRefused:          "what answers for the zone's servers refuses (a resolver on the way that port 53 is redirected to?): cannot be judged here",
}

const spokenWords = "it says itself (EDE 3) that it answers with expired records, although the zone's servers are healthy: " +
	"turn off serve-stale, or let it wait for the zone's servers first (Unbound serve-expired-client-timeout: 1800, " +
	"BIND stale-answer-client-timeout off), and see that it can reach them"

// ownEntryWords: a record that the resolver was given by hand is kept for ever, and looks the same.
const ownEntryWords = ", or remove an entry of its own for this name (local-data, hosts file, response policy)"

func (h *Host) ttlWords(w *watch, now time.Time) string {
	says := "the zone says"
	if w.inflated.owner == wholeChain {
		says = "the configuration expects"
	}
	return fmt.Sprintf("keeps records for %s where %s %s: lower its minimum cache TTL (dnsmasq min-cache-ttl, Unbound "+
		"cache-min-ttl, BIND min-cache-ttl, PowerDNS minimum_ttl_override, Knot cache.min_ttl)"+ownEntryWords,
		words(max(w.inflated.ttl, w.inflated.max+w.excess.within(now, h.c.Hold))), says, words(w.inflated.max))
}

func addressWords(w *watch) string {
	return fmt.Sprintf("still gives %s, which the zone's servers last had at %s (TTL %s): lower its minimum cache TTL and "+
		"turn off serving of expired records (dnsmasq min-cache-ttl and use-stale-cache, Unbound cache-min-ttl and serve-expired)"+ownEntryWords,
		w.gone.value, w.gone.last.UTC().Format(time.RFC3339), words(w.gone.max))
}

func signWords(fi finding) string {
	switch fi.kind {
	case TTLInflated:
		return fmt.Sprintf("answers with TTL %s where the zone says %s; not proved: the record may be older than our watching, or this is the first time",
			words(fi.ttl), words(fi.max))
	case ViewUnproven:
		return fmt.Sprintf("gives %s, which the zone's servers have not given us since %s; not proved: it may see another view of the zone (single_view, authority.whoami)",
			fi.value, fi.last.UTC().Format(time.RFC3339))
	case WithdrawnAddress:
		return fmt.Sprintf("gives %s, which the zone's servers have not given us since %s; seen once so far",
			fi.value, fi.last.UTC().Format(time.RFC3339))
	default:
		return "says itself (EDE 3) that it answered with an expired record, although the zone's servers are healthy; seen too seldom so far"
	}
}

func pendingWords(fi finding) string {
	return signWords(fi) + "; still to be confirmed at the zone's servers"
}

func learningWords(left time.Duration) string {
	return "still learning: " + words(max(left, time.Second)) + " left"
}

func (v value) String() string {
	if v.addr.IsValid() {
		return v.addr.String()
	}
	return strings.TrimSuffix(v.target, ".")
}

// words writes a duration as a person says it: whole seconds up to five minutes, else minutes, else hours.
func words(d time.Duration) string {
	switch {
	case d <= 5*time.Minute:
		return fmt.Sprintf("%d s", int64((d+time.Second/2)/time.Second))
	case d <= 2*time.Hour:
		return fmt.Sprintf("%d min", int64((d+time.Minute/2)/time.Minute))
	default:
		return fmt.Sprintf("%d h", int64((d+time.Hour/2)/time.Hour))
	}
}
