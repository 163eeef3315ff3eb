//go:build realpeers

package resolvers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

const ttl = 2

// scaled is the pace for a zone with a TTL of 2 s. An address lives long enough for the shortest extension (8 s) to
// be seen.
var scaled = pace{
	ttl: ttl, lives: 12 * time.Second, interval: 500 * time.Millisecond, rate: 100, control: 8,
	constants: config.Freshness{
		Margin: 2 * time.Second, Slack: time.Second, AuthorityLag: 2 * time.Second,
		Learning: 10 * time.Second, Hold: 10 * time.Second, Spacing: time.Second,
	},
}

const (
	// patience is how long an honest resolver is watched, longer than any proof takes.
	patience = 50 * time.Second
	// proving bounds the wait for an expected proof, which takes half a minute, on a loaded machine.
	proving = 5 * time.Minute
)

// trial is one resolver, one zone and the expected verdict.
type trial struct {
	config Config
	scene  scene
	pace   pace // zero: scaled
	// by is the evidence of the expected proof; "": the resolver is never stale. ok: it is found to be ok.
	by staleness.Evidence
	ok bool
	// suspected is the evidence that makes it suspect, and why a reason that it has at some time; "": not required.
	suspected staleness.Evidence
	why       staleness.WhyKind
	wait      bool // it is watched until it has that reason
	overdue   bool // its data is truly too old, at some time
}

// trials are every configuration with a zone whose addresses move, and the honest situations that look stale.
func trials() map[string]trial {
	out := make(map[string]trial)
	provedBy := map[string]staleness.Evidence{
		"unbound cache-min-ttl":              staleness.TTLInflated,
		"unbound serve-expired with EDE":     staleness.EDEStale,
		"dnsmasq min-cache-ttl":              staleness.TTLInflated,
		"dnsmasq use-stale-cache":            staleness.EDEStale,
		"bind min-cache-ttl":                 staleness.TTLInflated,
		"bind stale-answer-client-timeout 0": staleness.EDEStale,
		"powerdns minimum-ttl-override":      staleness.TTLInflated,
	}
	for name, c := range Configurations() {
		// Without EDE, serve-expired is suspect at times, and never proved. A constant TTL is proved after a day only.
		ok := provedBy[name] == "" && name != "unbound serve-expired" && name != "dnsmasq min-cache-ttl max-ttl"
		out[name] = trial{config: c, by: provedBy[name], ok: ok}
	}
	// The resolver's own upstream fails while the zone answers us.
	cutOff := scene{upstream: &upstream{down: func(since time.Duration) bool { return since > 15*time.Second && since < 45*time.Second }}}
	for name, c := range bridging() {
		out[name+", its own upstream is down"] = trial{config: c, scene: cutOff}
	}
	// They serve old data, which is not stale.
	for _, name := range []string{"unbound serve-expired-client-timeout, EDE", "powerdns serve-stale-extensions"} {
		t := out[name+", its own upstream is down"]
		t.overdue = true
		out[name+", its own upstream is down"] = t
	}
	// It answers stale at once, which is not proved only because the test of its upstream fails.
	out["dnsmasq use-stale-cache, its own upstream is down"] = trial{
		config: Configurations()["dnsmasq use-stale-cache"], scene: scene{upstream: &upstream{
			down: func(since time.Duration) bool { return since > 15*time.Second }}}, why: staleness.WhyUpstreamDown, wait: true}
	for name, c := range map[string]Config{
		"unbound": {Product: Unbound}, "dnsmasq": {Product: Dnsmasq}, "bind": {Product: BIND}, "powerdns": {Product: PowerDNS},
	} {
		for what, s := range deceptions() {
			out[name+" default, "+what] = trial{config: c, scene: s.scene, pace: s.pace, ok: s.ok}
		}
	}
	// Over a chain of CNAMEs a constant TTL is proved after a day too, so it is suspect here.
	out["dnsmasq min-cache-ttl max-ttl, a chain of CNAMEs"] = trial{
		config: Configurations()["dnsmasq min-cache-ttl max-ttl"], scene: chained, suspected: staleness.WithdrawnAddress}
	out["unbound cache-min-ttl, a chain of CNAMEs"] = trial{
		config: Configurations()["unbound cache-min-ttl"], scene: chained, by: staleness.TTLInflated}
	out["powerdns minimum-ttl-override, a chain of CNAMEs"] = trial{
		config: Configurations()["powerdns minimum-ttl-override"], scene: chained, by: staleness.TTLInflated}
	out["unbound cache-min-ttl equal to the TTL of the CNAME"] = trial{
		config: Configurations()["unbound cache-min-ttl"], scene: longChained, by: staleness.TTLInflated}
	out["unbound cache-min-ttl, without single_view"] = trial{
		config: Configurations()["unbound cache-min-ttl"], scene: scene{anyView: true}, suspected: staleness.ViewUnproven}
	out["dnsmasq min-cache-ttl, a chain of CNAMEs"] = trial{config: Config{Product: Dnsmasq, Settings: "min-cache-ttl=8\n"}, scene: chained, by: staleness.TTLInflated}
	out["bind stale-answer-client-timeout 0, a chain of CNAMEs"] = trial{
		config: Configurations()["bind stale-answer-client-timeout 0"], scene: chained, by: staleness.EDEStale}
	outage := scene{down: func(since time.Duration) bool { return since > 18*time.Second && since < 32*time.Second }}
	for name, c := range bridging() {
		out[name+", an outage"] = trial{config: c, scene: outage, ok: true}
	}
	return out
}

// bridging returns the configurations that serve expired records only while the zone does not answer (RFC 8767).
func bridging() map[string]Config {
	return map[string]Config{
		"unbound serve-expired-client-timeout, EDE": {Product: Unbound,
			Settings: "serve-expired: yes\nserve-expired-client-timeout: 1800\nserve-expired-reply-ttl: 1\nede: yes\nede-serve-expired: yes\n"},
		"bind stale-answer-enable": {Product: BIND,
			Settings: "stale-cache-enable yes;\nstale-answer-enable yes;\nstale-answer-client-timeout off;\nstale-answer-ttl 1;\nstale-refresh-time 1;\nresolver-query-timeout 301;\n"},
		"powerdns serve-stale-extensions": {Product: PowerDNS, Settings: "serve-stale-extensions=1440\n"},
	}
}

// chained is a host whose CNAME has a longer TTL than its addresses.
var chained = scene{records: map[string]lab.RecordSet{
	host:               {TTL: lab.TTL(4), CNAME: "edge.cloud.test."},
	"edge.cloud.test.": {},
}}

// longChained is a host whose CNAME has the minimum TTL under test.
var longChained = scene{records: map[string]lab.RecordSet{
	host:               {TTL: lab.TTL(8), CNAME: "edge.cloud.test."},
	"edge.cloud.test.": {},
}}

// deceptions are situations in which an honest resolver looks stale.
func deceptions() map[string]trial {
	var pool []netip.Addr
	for i := range 40 {
		pool = append(pool, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	}
	zero := scaled
	zero.ttl = 0
	return map[string]trial{
		"a chain of CNAMEs":              {scene: chained, ok: true},
		"rotating 8 of 40":               {scene: scene{records: map[string]lab.RecordSet{host: {TTL: lab.TTL(ttl), Addresses: lab.Rotating(8, pool...)}}}, ok: true},
		"one of the zone's servers lags": {scene: scene{lags: []time.Duration{time.Second, 0}}, ok: true},
		"the TTL is lowered while we watch": {scene: scene{ttl: func(since time.Duration) uint32 {
			if since < 14*time.Second {
				return 20
			}
			return ttl
		}}},
		"TTL 0":                                        {pace: zero, ok: true},
		"a second view with a longer TTL":              {scene: scene{anyView: true, upstream: &upstream{ttl: 12}}, why: staleness.WhyViewUnprovenTTL},
		"a second view with other addresses":           {scene: scene{anyView: true, upstream: &upstream{other: true}}},
		"the delegation moved, the old server goes on": {scene: scene{upstream: &upstream{frozen: true, visible: true}}},
		// PowerDNS stops asking a server that loses questions, so it may have no answer until the end.
		"10 % of the questions are lost": {scene: scene{down: func(time.Duration) bool { return rand.IntN(10) == 0 }}},
		"IPv6 only":                      {scene: scene{records: map[string]lab.RecordSet{host: {TTL: lab.TTL(ttl), Addresses: sixOnly}}}, ok: true},
	}
}

// sixOnly is a fixed set of IPv6 addresses.
func sixOnly(time.Time, uint64) []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:1::2")}
}

// TestVerdictsOnRealResolvers judges every configuration of every product through the whole resolve service, all at
// the same time, in real time, with scaled constants.
func TestVerdictsOnRealResolvers(t *testing.T) {
	t.Parallel()
	outcomes := make(map[string]*outcome)
	all := trials()
	var watching sync.WaitGroup
	run := func(name string, w *world) {
		o, within := new(outcome), patience
		if all[name].by != "" || all[name].wait {
			within = proving
		}
		if all[name].wait {
			w.waitFor = all[name].why
		}
		outcomes[name] = o
		watching.Go(func() { *o = w.watch(context.Background(), within) })
	}
	for name, trial := range all {
		p := trial.pace
		if p.interval == 0 {
			p = scaled
		}
		run(name, build(t, trial.config, p, trial.scene))
	}
	for name, w := range map[string]*world{"four Unbounds behind one address": farm(t), "the TTL was lowered just before we started": lowered(t)} {
		all[name] = trial{ok: name[0] == 'f'}
		run(name, w)
	}
	watching.Wait()
	for name, o := range outcomes {
		t.Run(name, func(t *testing.T) {
			o.held(t)
			want := all[name]
			if (want.by != "") != (o.last.Verdict == staleness.Stale) || want.by != "" && o.last.Counts[want.by] < 2 {
				t.Errorf("%s; want by %q", o.last.Verdict, want.by)
			}
			if want.suspected != "" && (!slices.Contains(o.verdicts, staleness.Suspect) || o.last.Counts[want.suspected] == 0) {
				t.Errorf("%v on the way, want suspect by %q", o.verdicts, want.suspected)
			}
			if want.overdue && o.overdue <= 0 {
				t.Error("its data was never older than the zone allows")
			}
			if want.why != "" && !slices.Contains(o.reasons, want.why) {
				t.Errorf("%v on the way, want %s", o.reasons, want.why)
			}
			if want.ok && !slices.Contains(o.verdicts, staleness.OK) {
				t.Errorf("%v on the way, want ok", o.verdicts)
			}
		})
	}
}

// farm puts four caches behind one address and distributes the questions among them.
func farm(t *testing.T) *world {
	t.Helper()
	w := serve(t, scaled, scene{})
	var members []netip.AddrPort
	for range 4 {
		members = append(members, Start(t, Config{Product: Unbound, Zone: zone, Authority: w.servers[0]}))
	}
	var n atomic.Uint64
	balancer, err := lab.ServeDNS(netip.MustParseAddrPort("127.0.0.1:0"), forward(func() netip.AddrPort {
		return members[n.Add(1)*7%11%4]
	}), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := balancer.Close(); err != nil {
			t.Error(err)
		}
	})
	w.ask(balancer.Address)
	return w
}

// forward forwards each question unchanged.
type forward func() netip.AddrPort

func (f forward) Answer(q *miekg.Msg, _ time.Time) *miekg.Msg {
	m, _, err := (&miekg.Client{Timeout: 2 * time.Second}).Exchange(q, f().String())
	if err != nil {
		return nil
	}
	return m
}

// lowered has a resolver keep an entry of 40 s from before the zone lowered its TTL to 2 s.
func lowered(t *testing.T) *world {
	t.Helper()
	var low atomic.Bool
	w := build(t, Config{Product: Unbound}, scaled, scene{ttl: func(time.Duration) uint32 {
		if low.Load() {
			return ttl
		}
		return 40
	}})
	client := new(dns.Client)
	ask := func(at netip.AddrPort, recursive bool) string {
		a := client.Exchange(context.Background(), at, dns.Query{Name: host, Type: miekg.TypeA, Recursive: recursive})
		ttl, _ := a.TTL()
		return fmt.Sprint(ttl)
	}
	if got := ask(w.at, true); got != "40" && got != "39" {
		t.Fatalf("the resolver has TTL %s of an entry of 40 s", got)
	}
	low.Store(true)
	if got := ask(w.servers[0], false); got != "2" {
		t.Fatalf("the zone has TTL %s, lowered to 2", got)
	}
	return w
}
