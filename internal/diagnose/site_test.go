package diagnose

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

var (
	tcp5684 = measurement.Path{Transport: measurement.TCP, Port: 5684}
	udp5684 = measurement.Path{Transport: measurement.UDP, Port: 5684}
	tcp443  = measurement.Path{Transport: measurement.TCP, Port: 443}

	firstServer  = netip.MustParseAddrPort("192.0.2.53:53")
	secondServer = netip.MustParseAddrPort("192.0.2.54:53")
)

// failing is a finding as Walk makes it.
func failing(r reason.Reason, advice ...reason.Advice) report.Finding {
	f := finding(r)
	if len(advice) > 0 {
		f.Advice = advice[0]
	}
	return f
}

func inspectedBy(issuer, expected string) report.Finding {
	f := finding(reason.WrongIssuer)
	f.Certificate = report.Certificate{Issuer: issuer, Expected: expected}
	return f
}

// walked is a path with one finding for each address: 198.51.100.1, 198.51.100.2 and so on.
func walked(p measurement.Path, findings ...report.Finding) report.Path {
	out := report.Path{Path: p}
	for i, f := range findings {
		out.Walks = append(out.Walks, report.Walk{
			Outcome: measurement.Outcome{Address: netip.AddrPortFrom(addr(i+1), p.Port), Transport: p.Transport}, Finding: f,
		})
	}
	return out
}

func addr(last int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(last)}) }

// hostOf is a host with paths, resolved by both servers.
func hostOf(name string, paths ...report.Path) report.Host {
	h := report.Host{Endpoint: &config.Endpoint{Service: name, Host: name, Keepalive: 540 * time.Second}, Paths: paths}
	for _, server := range []netip.AddrPort{firstServer, secondServer} {
		h.Resolvers = append(h.Resolvers, report.Resolver{
			Lookup:    measurement.Lookup{Resolver: server, Addresses: []netip.Addr{addr(1)}},
			Staleness: staleness.Assessment{Verdict: staleness.OK},
		})
	}
	return h
}

// summarized completes a report of hosts.
func summarized(hosts ...report.Host) *report.Report {
	r := &report.Report{Hosts: hosts}
	for i := range r.Hosts {
		h := &r.Hosts[i]
		h.Up, h.Known = false, true
		for j := range h.Paths {
			p := &h.Paths[j]
			if len(p.Walks) > 0 {
				p.Finding = p.Walks[0].Finding
			}
			p.Known, p.Up = p.Finding.Reason != reason.OutOfTime, p.Finding.Reason == reason.OK
			h.Up, h.Known = h.Up || p.Up, h.Known && p.Known
		}
		h.Known = h.Known || h.Up
	}
	Summarize(r)
	return r
}

// kinds lists the kinds of advice in their order.
func kinds(list []report.Advice) []reason.Advice {
	var out []reason.Advice
	for _, a := range list {
		out = append(out, a.Kind)
	}
	return out
}

func TestSummarizeOneInspectingBoxIsOneItem(t *testing.T) {
	const box = "CN=SSLInspect"
	var hosts []report.Host
	for _, name := range []string{"a", "b", "c", "d"} {
		expected := "CN=ARM " + name
		hosts = append(hosts, hostOf(name,
			walked(tcp5684, inspectedBy(box, expected)), walked(udp5684, inspectedBy(box, expected)), walked(tcp443, inspectedBy(box, "a public web authority"))))
	}
	got := summarized(hosts...).Summary.Advice
	if len(got) != 1 {
		t.Fatalf("12 paths behind one box: %d items, %v", len(got), kinds(got))
	}
	if a := got[0]; a.Kind != reason.ExemptFromInspection || a.Paths != 12 || len(a.Places) != 4 || a.Certificate.Issuer != box || a.Certificate.Expected != "" {
		t.Errorf("%+v", a)
	}
	two := summarized(hostOf("a", walked(tcp5684, inspectedBy(box, "x")), walked(tcp443, inspectedBy("CN=Another", "x")))).Summary.Advice
	if len(two) != 2 {
		t.Errorf("two boxes: %v", kinds(two))
	}
}

func TestSummarizeOrder(t *testing.T) {
	stale := hostOf("stale", walked(tcp5684, report.Finding{}))
	stale.Resolvers[0].Staleness.Verdict = staleness.Stale
	partly := hostOf("partly", walked(tcp5684, report.Finding{}), walked(udp5684, failing(reason.Silent, reason.LetLargeDatagramsPass)))
	idle := hostOf("idle", walked(tcp5684, report.Finding{}))
	idle.Paths[0].Idle = &report.IdleBounds{Lost: time.Minute}
	lame := hostOf("lame", walked(tcp5684, report.Finding{}))
	lame.Resolvers[1].Lookup = measurement.Lookup{Resolver: secondServer, Failure: measurement.DNSServFail}
	got := summarized(
		stale, idle, lame, partly,
		hostOf("late", walked(tcp443, failing(reason.OutOfTime))),
		hostOf("expired", walked(tcp5684, failing(reason.Expired))),
		hostOf("blocked", walked(tcp5684, failing(reason.Unreachable))),
		hostOf("inspected", walked(tcp5684, report.Finding{}), walked(tcp443, inspectedBy("CN=Box", "x"))),
		hostOf("diverted", walked(tcp5684, SinkholeFinding(addr(1)))),
	).Summary.Advice
	want := []reason.Advice{
		// hosts without a path
		reason.ExemptNameFromFilter, reason.AllowOutbound, reason.CheckClock,
		// paths of hosts that have another one
		reason.ExemptFromInspection, reason.LetLargeDatagramsPass,
		// what may hurt later
		reason.ResolveAtServer, reason.StopStaleRecords, reason.ShortenKeepalive,
		// what is not known
		reason.AllowMoreTime,
	}
	if diff := cmp.Diff(want, kinds(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestSummarizeProxy(t *testing.T) {
	up, blocked := report.Finding{}, failing(reason.Refused)
	proxy := report.Proxy{Variable: "HTTPS_PROXY", Address: "proxy.example:3128"}
	for name, tt := range map[string]struct {
		proxy report.Proxy
		hosts []report.Host
		want  []reason.Advice
	}{
		"everything passes":           {proxy, []report.Host{hostOf("a", walked(tcp5684, up))}, nil},
		"a path is blocked":           {proxy, []report.Host{hostOf("a", walked(tcp5684, blocked), walked(tcp443, up))}, []reason.Advice{reason.AllowOutbound, reason.PassProxy}},
		"a path is blocked, no proxy": {report.Proxy{}, []report.Host{hostOf("a", walked(tcp5684, blocked), walked(tcp443, up))}, []reason.Advice{reason.AllowOutbound}},
		"everything is blocked": {
			proxy, []report.Host{hostOf("a", walked(tcp5684, blocked)), hostOf("b", walked(tcp443, blocked))}, []reason.Advice{reason.OpenNetwork, reason.PassProxy},
		},
		"after the first of two": {
			proxy, []report.Host{hostOf("a", walked(tcp5684, blocked), walked(tcp443, failing(reason.Expired)))},
			[]reason.Advice{reason.AllowOutbound, reason.PassProxy, reason.CheckClock},
		},
		"another failure": {proxy, []report.Host{hostOf("a", walked(tcp5684, failing(reason.Expired)))}, []reason.Advice{reason.CheckClock}},
	} {
		r := summarized(tt.hosts...)
		r.Proxy = tt.proxy
		Summarize(r)
		if diff := cmp.Diff(tt.want, kinds(r.Summary.Advice)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		for _, a := range r.Summary.Advice {
			if a.Kind == reason.PassProxy && a.Proxy != proxy {
				t.Errorf("%s: proxy %+v", name, a.Proxy)
			}
		}
	}
}

func TestSummarizePaths(t *testing.T) {
	blocked := failing(reason.Refused)
	stopped := failing(reason.Reset)
	up, filtered := report.Finding{}, failing(reason.Reset, reason.StopHelloFiltering)
	unproven := func(p report.Path) report.Path {
		p.Unproven, p.Walks[0].Unproven = true, true
		return p
	}
	for _, tt := range []struct {
		name  string
		paths []report.Path
		want  []report.Advice
	}{
		{"every path passes", []report.Path{walked(tcp5684, up), walked(tcp443, up)}, nil},
		{"UDP blocked, TCP passes", []report.Path{walked(tcp5684, up), walked(udp5684, blocked)}, []report.Advice{{
			Kind: reason.AllowOutbound, Paths: 1,
			Places: []report.Place{{Host: "h", Paths: []measurement.Path{udp5684}, Addresses: []netip.Addr{addr(1)}, Passing: []measurement.Path{tcp5684}}},
		}}},
		{"5684 stopped, 443 passes: a client alternates", []report.Path{walked(tcp5684, stopped), walked(tcp443, up)}, []report.Advice{{
			Kind: reason.StopFiltering, Paths: 1, Alternates: true,
			Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp5684}, Addresses: []netip.Addr{addr(1)}, Passing: []measurement.Path{tcp443}}},
		}}},
		{"443 blocked, 5684 passes: a client alternates", []report.Path{walked(tcp5684, up), walked(tcp443, blocked)}, []report.Advice{{
			Kind: reason.AllowOutbound, Paths: 1, Alternates: true,
			Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp443}, Addresses: []netip.Addr{addr(1)}, Passing: []measurement.Path{tcp5684}}},
		}}},
		{"every path blocked, at two addresses", []report.Path{walked(tcp5684, blocked, blocked), walked(udp5684, blocked, blocked)}, []report.Advice{{
			Kind: reason.AllowOutbound, Paths: 2,
			Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp5684, udp5684}, Addresses: []netip.Addr{addr(1), addr(2)}, Down: true}},
		}}},
		{"inspected and blocked", []report.Path{walked(tcp443, inspectedBy("CN=Box", "x")), walked(udp5684, blocked)}, []report.Advice{
			{
				Kind: reason.ExemptFromInspection, Paths: 1, Certificate: report.Certificate{Issuer: "CN=Box", Expected: "x"},
				Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp443}, Addresses: []netip.Addr{addr(1)}, Down: true}},
			},
			{
				Kind: reason.AllowOutbound, Paths: 1, InspectedToo: true,
				Places: []report.Place{{Host: "h", Paths: []measurement.Path{udp5684}, Addresses: []netip.Addr{addr(1)}, Down: true}},
			},
		}},
		{"one address of three blocked", []report.Path{walked(tcp5684, up, stopped, up)}, []report.Advice{{
			Kind: reason.AllowByName, Paths: 1,
			Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp5684}, Addresses: []netip.Addr{addr(2)}}},
		}}},
		{"another site's server on 443 explains the block of 5684 at the same address", []report.Path{
			walked(tcp5684, stopped), walked(tcp443, failing(reason.Reset, reason.CheckAddress)),
		}, []report.Advice{{
			Kind: reason.CheckAddress, Paths: 2,
			Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp5684, tcp443}, Addresses: []netip.Addr{addr(1)}, Down: true}},
		}}},
		{"a browser's hello passes on two paths", []report.Path{walked(tcp5684, filtered, up), walked(tcp443, filtered)}, []report.Advice{{
			Kind: reason.StopHelloFiltering, Paths: 2,
			Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp5684, tcp443}, Addresses: []netip.Addr{addr(1)}, Down: true}},
		}}},
		{"the session is cut at one address of two", []report.Path{walked(tcp5684, failing(reason.Reset, reason.LetSessionFinish), up)}, []report.Advice{{
			Kind: reason.LetSessionFinish, Paths: 1,
			Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp5684}, Addresses: []netip.Addr{addr(1)}, Down: true}},
		}}},
		{"a session not proved does not count as a way out", []report.Path{walked(udp5684, blocked), unproven(walked(tcp5684, up))}, []report.Advice{
			{
				Kind: reason.AllowOutbound, Paths: 1,
				Places: []report.Place{{Host: "h", Paths: []measurement.Path{udp5684}, Addresses: []netip.Addr{addr(1)}}},
			},
			{
				Kind: reason.ConfigureCertificate, Paths: 1,
				Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp5684}, Addresses: []netip.Addr{addr(1)}}},
			},
		}},
		{"an address cut off is not blocked", []report.Path{walked(tcp5684, up, failing(reason.OutOfTime))}, []report.Advice{{
			Kind: reason.AllowMoreTime, Paths: 1,
			Places: []report.Place{{Host: "h", Paths: []measurement.Path{tcp5684}, Addresses: []netip.Addr{addr(2)}}},
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := summarized(hostOf("h", tt.paths...))
			if diff := cmp.Diff(tt.want, r.Summary.Advice, comparers...); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, r.Hosts[0].Advice, comparers...); diff != "" {
				t.Errorf("the host's own: -want +got\n%s", diff)
			}
		})
	}
}

var comparers = []cmp.Option{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
}

func TestSummarizeCause(t *testing.T) {
	unresolved := func(name string, failures ...measurement.DNSFailure) report.Host {
		h := hostOf(name, report.Path{Path: tcp5684}, report.Path{Path: tcp443})
		h.Resolvers = nil
		var lookups []measurement.Lookup
		for i, f := range failures {
			l := measurement.Lookup{Resolver: []netip.AddrPort{firstServer, secondServer}[i], Failure: f}
			lookups = append(lookups, l)
			h.Resolvers = append(h.Resolvers, report.Resolver{Lookup: l})
		}
		for i := range h.Paths {
			h.Paths[i].Finding = DNSFinding(lookups, h.Zone.Failure)
		}
		return h
	}
	blocked := func(name string, connected bool) report.Host {
		h := hostOf(name, walked(tcp5684, failing(reason.Reset)), walked(udp5684, failing(reason.Silent, reason.AllowOutbound)))
		if connected {
			h.Paths[0].Walks[0].Outcome.Times = []measurement.PhaseTime{{Phase: measurement.Connect}}
		}
		return h
	}
	lostAt := func(name string, server netip.AddrPort) report.Host {
		h := hostOf(name, walked(tcp5684, report.Finding{}))
		for i := range h.Resolvers {
			if l := &h.Resolvers[i].Lookup; l.Resolver == server {
				l.Failure, l.Addresses = measurement.DNSTimeout, nil
			}
		}
		return h
	}
	noRoute := func(name string) report.Host {
		h := hostOf(name, report.Path{Path: tcp5684})
		h.Paths[0].Finding = NoRouteFinding()
		return h
	}
	for _, tt := range []struct {
		name   string
		hosts  []report.Host
		want   report.Cause
		advice reason.Advice
	}{
		{"no time", []report.Host{unresolved("a", measurement.DNSOutOfTime), unresolved("b", measurement.DNSOutOfTime)}, report.CauseNoTime, reason.AllowMoreTimeForNames},
		{"no resolver", []report.Host{unresolved("a"), unresolved("b")}, report.CauseNoResolver, reason.SetResolvers},
		{"silent resolvers", []report.Host{unresolved("a", measurement.DNSTimeout, measurement.DNSUnreachable), unresolved("b", measurement.DNSTimeout, measurement.DNSUnreachable)}, report.CauseResolversSilent, reason.JoinNetwork},
		{"a silent resolver, one host", []report.Host{unresolved("a", measurement.DNSTimeout)}, report.CauseResolversSilent, reason.JoinNetwork},
		{"SERVFAIL", []report.Host{unresolved("a", measurement.DNSServFail), unresolved("b", measurement.DNSServFail)}, report.CauseResolversFail, reason.CheckForwarders},
		{"REFUSED", []report.Host{unresolved("a", measurement.DNSRefused), unresolved("b", measurement.DNSRefused)}, report.CauseResolversRefuse, reason.AllowQueries},
		{"NXDOMAIN for every name", []report.Host{unresolved("a", measurement.DNSNXDomain), unresolved("b", measurement.DNSServFail)}, report.CauseNamesUnknown, reason.AllowNames},
		{"NXDOMAIN for the only name", []report.Host{unresolved("a", measurement.DNSNXDomain)}, report.CauseNone, reason.ResolveName},
		{"one look-up is lost", []report.Host{unresolved("a", measurement.DNSTimeout), hostOf("b", walked(tcp5684, report.Finding{}))}, report.CauseNone, reason.RepeatLookup},
		{"one look-up is lost at one server", []report.Host{lostAt("a", secondServer), hostOf("b", walked(tcp5684, report.Finding{}))}, report.CauseNone, reason.RepeatLookupAtServer},
		{"a server answers no look-up", []report.Host{lostAt("a", secondServer), lostAt("b", secondServer)}, report.CauseNone, reason.ReplaceResolver},
		{"no route", []report.Host{noRoute("a"), noRoute("b")}, report.CauseNoRoute, reason.FindOwnRoute},
		{"all blocked", []report.Host{blocked("a", false), blocked("b", false)}, report.CauseAllBlocked, reason.OpenNetwork},
		{"all blocked, some connect", []report.Host{blocked("a", false), blocked("b", true)}, report.CauseAllStopped, reason.OpenNetwork},
		{"a browser's hello passes everywhere", []report.Host{
			hostOf("a", walked(tcp5684, failing(reason.Reset, reason.StopHelloFiltering))), hostOf("b", walked(tcp443, failing(reason.Reset, reason.StopHelloFiltering))),
		}, report.CauseNone, reason.StopHelloFiltering},
		{"every session is cut in the finish", []report.Host{
			hostOf("a", walked(tcp5684, failing(reason.Reset, reason.LetSessionFinish))), hostOf("b", walked(udp5684, failing(reason.Silent, reason.LetSessionFinish))),
		}, report.CauseNone, reason.LetSessionFinish},
		{"one host blocked", []report.Host{blocked("a", true)}, report.CauseNone, reason.StopFiltering},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := summarized(tt.hosts...).Summary
			if s.Cause != tt.want || len(s.Advice) == 0 || s.Advice[0].Kind != tt.advice {
				t.Errorf("cause %q, advice %v, want %q, %q first", s.Cause, kinds(s.Advice), tt.want, tt.advice)
			}
			if s.Cause != report.CauseNone && len(s.Advice) != 1 {
				t.Errorf("one cause, but %v", kinds(s.Advice))
			}
			if s.State == report.Up {
				t.Error("the site is up")
			}
		})
	}
}

func TestSummarizeState(t *testing.T) {
	up := func(name string) report.Host { return hostOf(name, walked(tcp5684, report.Finding{})) }
	with := func(change func(*report.Host)) report.Host {
		h := up("h")
		change(&h)
		return h
	}
	for _, tt := range []struct {
		name  string
		hosts []report.Host
		want  report.State
	}{
		{"no host", nil, report.Unknown},
		{"all is well", []report.Host{up("a"), up("b")}, report.Up},
		{"a path fails", []report.Host{up("a"), hostOf("b", walked(tcp5684, failing(reason.Reset)))}, report.Down},
		{"a second address fails", []report.Host{hostOf("a", walked(tcp5684, report.Finding{}, failing(reason.Reset)))}, report.Down},
		{"a session not proved", []report.Host{up("a"), with(func(h *report.Host) { h.Paths[0].Unproven, h.Paths[0].Walks[0].Unproven = true, true })}, report.Unknown},
		{"a session not proved, a path fails", []report.Host{
			hostOf("a", walked(tcp5684, failing(reason.Reset))), with(func(h *report.Host) { h.Paths[0].Unproven, h.Paths[0].Walks[0].Unproven = true, true }),
		}, report.Down},
		{"a session with a second address not proved", []report.Host{with(func(h *report.Host) {
			h.Paths[0] = walked(tcp5684, report.Finding{}, report.Finding{})
			h.Paths[0].Walks[1].Unproven = true
		})}, report.Unknown},
		{"a path cut off", []report.Host{up("a"), hostOf("b", walked(tcp5684, failing(reason.OutOfTime)))}, report.Unknown},
		{"a second address cut off", []report.Host{hostOf("a", walked(tcp5684, report.Finding{}, failing(reason.OutOfTime)))}, report.Unknown},
		{"a stale resolver", []report.Host{with(func(h *report.Host) { h.Resolvers[1].Staleness.Verdict = staleness.Stale })}, report.Down},
		{"a suspected resolver", []report.Host{with(func(h *report.Host) { h.Resolvers[1].Staleness.Verdict = staleness.Suspect })}, report.Up},
		{"a resolver that fails where the other answers", []report.Host{with(func(h *report.Host) {
			h.Resolvers[1].Lookup = measurement.Lookup{Resolver: secondServer, Failure: measurement.DNSTimeout}
		})}, report.Down},
		{"a look-up cut off", []report.Host{with(func(h *report.Host) {
			h.Resolvers[1].Lookup = measurement.Lookup{Resolver: secondServer, Failure: measurement.DNSOutOfTime}
		})}, report.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := summarized(tt.hosts...).Summary
			if s.State != tt.want {
				t.Errorf("%s, want %s", s.State, tt.want)
			}
			if (s.State != report.Up) != (len(s.Advice) > 0) && len(tt.hosts) > 0 {
				t.Errorf("state %s, advice %v", s.State, kinds(s.Advice))
			}
		})
	}
}

func TestSummarizeOpenVerdicts(t *testing.T) {
	open := func(name string, a staleness.Assessment) report.Host {
		h := hostOf(name, walked(tcp5684, report.Finding{}))
		h.Resolvers[0].Staleness = a
		return h
	}
	soon := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	s := summarized(
		open("a", staleness.Assessment{Verdict: staleness.Unknown, Ready: soon}),
		open("b", staleness.Assessment{Verdict: staleness.Unknown, Ready: soon.Add(time.Second)}),
		open("c", staleness.Assessment{Verdict: staleness.Suspect}),
		open("d", staleness.Assessment{Verdict: staleness.Unknown, Counts: map[staleness.Evidence]uint64{staleness.EDEStale: 1}}),
		open("e", staleness.Assessment{Verdict: staleness.Unknown}),
	).Summary
	type group struct {
		Hosts     []string
		MayChange bool
	}
	var got []group
	for _, o := range s.Open {
		got = append(got, group{o.Hosts, o.MayChange})
	}
	want := []group{{[]string{"a", "b"}, true}, {[]string{"c"}, true}, {[]string{"d", "e"}, false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if !s.Suspected {
		t.Error("the suspicion is lost")
	}
}
