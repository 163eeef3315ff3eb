package collector

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// hostileReport is a healthy site with these texts.
func hostileReport(service, host, issuer, subject, key, rcode string) *report.Report {
	rep := healthyReport()
	for i := range rep.Hosts {
		h := &rep.Hosts[i]
		h.Endpoint.Service, h.Endpoint.Host = service, host
		for j := range h.Paths {
			for k := range h.Paths[j].Walks {
				judged := &h.Paths[j].Walks[k].Judgement
				judged.Issuer, judged.Subject, judged.PublicKeySHA256 = issuer, subject, key
			}
		}
	}
	rep.Queries = append(rep.Queries, measurement.QueryCount{Leg: service, Rcode: rcode, Count: 1}, measurement.QueryCount{Leg: "resolver", Rcode: rcode, Count: 1})
	return rep
}

func checkHostile(t *testing.T, rep *report.Report) {
	t.Helper()
	histograms := histogramsOf(rep)
	check(t, New(rep, Options{MaxAddresses: 8, Histograms: histograms}))
	for _, line := range samples(expose(t, New(rep, Options{MaxAddresses: 8, Histograms: histograms}))) {
		if !strings.HasPrefix(line, "endpoint_") {
			t.Errorf("a text broke out of its line: %q", line)
		}
	}
}

func TestHostileTexts(t *testing.T) {
	for name, text := range map[string]string{
		"long":          strings.Repeat("Ж", 5000),
		"invalid UTF-8": "CN=\xff\xfe\x80,O=\xc3",
		"breaks out":    "x\"} 1\nendpoint_up{host=\"y\"} 0\n# TYPE z counter\r\n\\",
		"control":       "\x00\x1b[2J\u202egnp.exe\u2028",
		"empty":         "",
	} {
		t.Run(name, func(t *testing.T) { checkHostile(t, hostileReport(text, text, text, text, text, text)) })
	}
}

func FuzzTexts(f *testing.F) {
	f.Add("bootstrap", "bootstrap.example.com", "CN=a\xff", "CN=\"b\"\n", "d7", "SERVFAIL")
	f.Add("", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, service, host, issuer, subject, key, rcode string) {
		checkHostile(t, hostileReport(service, host, issuer, subject, key, rcode))
	})
}

// anyReport draws reports that no survey makes: repeated hosts, resolvers, paths and addresses, unknown times and
// durations, paths without walks.
func anyReport(t *rapid.T) *report.Report {
	moment := rapid.SampledFrom([]time.Time{{}, noon, noon.AddDate(0, 0, 1)})
	took := rapid.SampledFrom([]time.Duration{0, 0, ms, time.Minute})
	few := func(label string) int { return rapid.IntRange(0, 3).Draw(t, label) }
	yes := func(label string) bool { return rapid.Bool().Draw(t, label) }
	address := func() netip.Addr {
		return rapid.SampledFrom([]netip.Addr{{}, cloud4, cloud4b, cloud6, moved, netip.MustParseAddr("::ffff:198.51.100.7")}).Draw(t, "address")
	}
	addresses := func() (out []netip.Addr) {
		for range few("addresses") {
			out = append(out, address())
		}
		return out
	}
	finding := func() report.Finding {
		return failed(rapid.SampledFrom(append(reason.All(), reason.Info{})).Draw(t, "reason").Reason)
	}
	var outcome func(depth int) measurement.Outcome
	outcome = func(depth int) measurement.Outcome {
		o := measurement.Outcome{
			Address:    netip.AddrPortFrom(address(), 1),
			Transport:  rapid.SampledFrom([]measurement.Transport{measurement.TCP, measurement.UDP}).Draw(t, "transport"),
			Client:     rapid.SampledFrom([]measurement.Client{measurement.Device, measurement.Web}).Draw(t, "client"),
			FirstReply: took.Draw(t, "first reply"), RTT: took.Draw(t, "rtt"), Retransmissions: few("retransmissions"),
			Pinged: yes("pinged"), Ponged: yes("ponged"),
		}
		if yes("has local") {
			o.Local = netip.AddrPortFrom(address(), 2)
		}
		for range few("phases") {
			o.Times = append(o.Times, measurement.PhaseTime{Phase: rapid.SampledFrom(measurement.Phases).Draw(t, "phase"), Took: took.Draw(t, "took")})
		}
		if yes("has tls") {
			o.TLS = &measurement.TLS{
				Version: rapid.SampledFrom([]uint16{0, 0x0303, 0xfefd, 0x1234}).Draw(t, "version"), Cipher: rapid.Uint16().Draw(t, "cipher"),
				SignatureChecked: yes("checked"), CertificateRequested: yes("requested"), FlightBytes: few("flight"),
			}
			if yes("has chain") {
				o.TLS.RawChain = [][]byte{{}}
			}
		}
		if depth == 0 && yes("has web") {
			web := outcome(1)
			o.Web = &web
		}
		return o
	}
	rep := &report.Report{
		Started: moment.Draw(t, "started"), Finished: moment.Draw(t, "finished"), IncompletePaths: few("incomplete"),
		AuthorityPath: measurement.Port53State(rapid.SampledFrom(append(closedLists["state"], "")).Draw(t, "authority path")),
	}
	for range few("hosts") {
		h := report.Host{
			Endpoint: &config.Endpoint{
				Service: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "service"), Host: rapid.SampledFrom([]string{"h", "\xff"}).Draw(t, "host"),
				Keepalive: took.Draw(t, "keepalive"),
			},
			Up: yes("up"), Known: yes("known"),
			Zone: report.Zone{Known: yes("zone known"), TTL: took.Draw(t, "zone ttl"), Addresses: addresses(), LastValid: moment.Draw(t, "last valid")},
		}
		for range few("resolvers") {
			h.Resolvers = append(h.Resolvers, report.Resolver{
				Lookup: measurement.Lookup{
					Resolver: rapid.SampledFrom([]netip.AddrPort{{}, office, branch}).Draw(t, "resolver"), Took: took.Draw(t, "look-up"),
					Addresses: addresses(), TTL: took.Draw(t, "ttl"), Failure: measurement.DNSFailure(rapid.SampledFrom(append(closedLists["dns_failure"], "")).Draw(t, "dns failure")),
				},
				LastChange: moment.Draw(t, "last change"),
				Staleness: staleness.Assessment{
					Verdict: staleness.Verdict(rapid.SampledFrom(append(closedLists["verdict"], "")).Draw(t, "verdict")), TTLExcess: took.Draw(t, "excess"),
					Staleness: took.Draw(t, "staleness"), Withdrawn: addresses(),
				},
			})
		}
		for range few("paths") {
			p := report.Path{
				Path:    measurement.Path{Transport: rapid.SampledFrom([]measurement.Transport{measurement.TCP, measurement.UDP}).Draw(t, "path transport"), Port: uint16(few("port"))},
				Omitted: few("omitted"), Up: yes("path up"), Known: yes("path known"), Finding: finding(),
			}
			for range few("walks") {
				p.Walks = append(p.Walks, report.Walk{
					Outcome: outcome(0), Finding: finding(), Withdrawn: yes("withdrawn"),
					Judgement: trust.Judgement{Seen: yes("seen"), Authentic: yes("authentic"), NotBefore: moment.Draw(t, "not before"), NotAfter: moment.Draw(t, "not after")},
				})
			}
			if yes("has idle") {
				p.Idle = &report.IdleBounds{Survived: took.Draw(t, "survived"), Lost: took.Draw(t, "lost"), Closed: took.Draw(t, "closed"), LastRound: moment.Draw(t, "idle round")}
			}
			h.Endpoint.Paths = append(h.Endpoint.Paths, p.Path)
			h.Paths = append(h.Paths, p)
		}
		rep.Hosts = append(rep.Hosts, h)
	}
	return rep
}

// TestCollectAnyReport tests that the series of any report follow the table, appear once, and have no value below 0: a
// zero time would be -62135596800.
func TestCollectAnyReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rep := anyReport(t)
		options := Options{MaxAddresses: rapid.IntRange(0, 2).Draw(t, "max addresses")}
		if rapid.Bool().Draw(t, "histograms") {
			options.Histograms = histogramsOf(rep)
		}
		check(t, New(rep, options))
	})
}
