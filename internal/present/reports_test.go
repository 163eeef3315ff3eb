package present

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

var (
	started   = time.Date(2026, 11, 12, 9, 15, 2, 0, time.UTC)
	resolver  = netip.MustParseAddrPort("192.168.7.1:53")
	second    = netip.MustParseAddrPort("[2001:db8:7::53]:53")
	localV4   = netip.MustParseAddrPort("192.168.7.20:40000")
	bootstrap = "C=GB, ST=Cambridgeshire, L=Cambridge, O=ARM Ltd, CN=ARM Bootstrap CA"
	inspector = "C=DE, O=Example Corp, CN=SSLInspect"
)

// site is a report in the making: the built-in catalogue, healthy, each host at one address.
type site struct{ *report.Report }

func newSite() *site {
	s := &site{&report.Report{Site: "gw-17", Configuration: "the built-in catalogue", Resolvers: []netip.AddrPort{resolver}, Started: started, Finished: started.Add(1234 * time.Millisecond), AuthorityPath: measurement.Port53OK}}
	endpoints := config.Default().Endpoints
	for i := range endpoints {
		e := &endpoints[i]
		h := report.Host{Endpoint: e, Zone: report.Zone{Known: true, TTL: time.Minute}}
		address := netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + i)})
		h.Zone.Addresses = []netip.Addr{address}
		h.Resolvers = []report.Resolver{{
			Lookup:    measurement.Lookup{Resolver: resolver, Took: 3 * time.Millisecond, Addresses: []netip.Addr{address}, TTL: 42 * time.Second},
			Staleness: staleness.Assessment{Verdict: staleness.OK, Why: staleness.Why{Kind: staleness.WhyNoSign}},
		}}
		for _, p := range e.Paths {
			h.Paths = append(h.Paths, report.Path{Path: p, Walks: []report.Walk{passing(e, p, address)}})
		}
		s.Hosts = append(s.Hosts, h)
	}
	return s
}

// passing is a walk that carries a device.
func passing(e *config.Endpoint, p measurement.Path, address netip.Addr) report.Walk {
	o := measurement.Outcome{
		Address: netip.AddrPortFrom(address, p.Port), Local: localV4, Transport: p.Transport, Client: e.Client, Started: started,
		Times: []measurement.PhaseTime{{Phase: measurement.Connect, Took: 21 * time.Millisecond}, {Phase: measurement.Hello, Took: 33 * time.Millisecond}},
		RTT:   20 * time.Millisecond,
		TLS:   seenTLS(),
	}
	if p.Transport == measurement.UDP {
		o.Times = o.Times[1:]
		o.RTT, o.FirstReply = 0, 22*time.Millisecond
	}
	if e.CoAPPing {
		o.Pinged, o.Ponged = true, true
	}
	return report.Walk{Outcome: o, Judgement: judgement(e)}
}

func seenTLS() *measurement.TLS {
	return &measurement.TLS{Version: 0x0303, Cipher: 0xc0ae, RawChain: [][]byte{{}}, KeyProved: true, SignatureChecked: true}
}

func judgement(e *config.Endpoint) trust.Judgement {
	j := trust.Judgement{
		Seen: true, Authentic: true, Issuer: "CN=Web CA 1, O=Trust Services", Expected: "one of the web's authorities",
		Subject: "CN=" + e.Host, PublicKeySHA256: "d7b2b483b862dc1c9ff95272321a54b4564e510df9d795456f49f5ea8831d9d6",
		NotBefore: started.AddDate(0, -6, 0), NotAfter: started.AddDate(1, 0, 0),
	}
	if e.Client == measurement.Device {
		j.Issuer, j.Expected = bootstrap, bootstrap
	}
	return j
}

// host finds a host by the first label of its name.
func (s *site) host(label string) *report.Host {
	for i := range s.Hosts {
		if name := s.Hosts[i].Endpoint.Host; len(name) > len(label) && name[:len(label)+1] == label+"." {
			return &s.Hosts[i]
		}
	}
	panic("no host " + label)
}

// everywhere does something to every walk.
func (s *site) everywhere(do func(w *report.Walk)) {
	for i := range s.Hosts {
		for j := range s.Hosts[i].Paths {
			for k := range s.Hosts[i].Paths[j].Walks {
				do(&s.Hosts[i].Paths[j].Walks[k])
			}
		}
	}
}

// fail makes a walk fail on the wire before it saw anything.
func fail(w *report.Walk, failure measurement.Failure, phase measurement.Phase, detail string) {
	o := &w.Outcome
	o.Failure, o.FailedIn, o.Detail, o.TLS, o.Pinged, o.Ponged, o.FirstReply = failure, phase, measurement.Detail{Text: detail}, nil, false, false, 0
	o.Times = nil
	w.Judgement = trust.Judgement{}
}

// intercept makes a walk see another issuer.
func intercept(w *report.Walk, issuer string) {
	w.Outcome.Pinged, w.Outcome.Ponged = false, false
	w.Judgement.Authentic, w.Judgement.Verdict, w.Judgement.Issuer = false, trust.WrongIssuer, issuer
}

// unresolved makes every look-up fail, and leaves no path to walk.
func (s *site) unresolved(failure measurement.DNSFailure, detail string) {
	for i := range s.Hosts {
		h := &s.Hosts[i]
		h.Zone = report.Zone{Failure: report.ZoneNotFound}
		for j := range h.Resolvers {
			h.Resolvers[j].Lookup = measurement.Lookup{Resolver: h.Resolvers[j].Lookup.Resolver, Took: 5 * time.Second, Failure: failure, Detail: measurement.Detail{Text: detail}}
			h.Resolvers[j].Staleness = staleness.Assessment{Verdict: staleness.Unknown, Why: staleness.Why{Kind: staleness.WhyNoAnswer}}
		}
		for j := range h.Paths {
			h.Paths[j].Walks = nil
		}
	}
}

// diagnosed completes a report as a survey does.
func (s *site) diagnosed() *report.Report {
	s.IncompletePaths = 0
	for i := range s.Hosts {
		h := &s.Hosts[i]
		var lookups []measurement.Lookup
		for _, r := range h.Resolvers {
			lookups = append(lookups, r.Lookup)
		}
		h.Up, h.Known = false, true
		for j := range h.Paths {
			p := &h.Paths[j]
			for k := range p.Walks {
				if w := &p.Walks[k]; w.Finding.Reason == reason.OK {
					w.Finding = diagnose.Walk(diagnose.Evidence{Outcome: &w.Outcome, Own: w.Judgement, Withdrawn: w.Withdrawn})
					w.Unproven = w.Outcome.Unproven && w.Finding.Reason == reason.OK
				}
			}
			switch {
			case len(p.Walks) > 0:
				p.Finding = p.Walks[0].Finding
			case p.Omitted > 0:
				p.Finding = diagnose.NoRouteFinding()
			default:
				p.Finding = diagnose.DNSFinding(lookups, h.Zone.Failure)
			}
			p.Known = p.Finding.Reason != reason.OutOfTime
			p.Up = p.Finding.Reason == reason.OK
			p.Unproven = p.Up && p.Walks[0].Unproven
			p.Unjudged = p.Up && p.Walks[0].Judgement.Unjudged
			if !p.Known {
				s.IncompletePaths++
			}
			h.Up, h.Known = h.Up || p.Up, h.Known && p.Known
		}
		h.Known = h.Known || h.Up
	}
	diagnose.SettleDoubt(s.Hosts)
	diagnose.Summarize(s.Report)
	return s.Report
}

// reports are the cases that the golden files hold.
func reports() map[string]*report.Report {
	return map[string]*report.Report{
		"well":       newSite().diagnosed(),
		"learning":   learning(),
		"suspected":  suspected(),
		"udp":        udpBlocked(),
		"smallonly":  smallOnly(),
		"elsewhere":  elsewhere(),
		"inspected":  inspected(),
		"sick":       sick(),
		"unproven":   unproven(),
		"unjudged":   unjudged(),
		"trusted":    trustedHere(),
		"offline":    offline(),
		"onesilent":  oneSilent(),
		"servfail":   servfail(),
		"blocked":    blocked(),
		"proxied":    proxied(),
		"filtered":   filtered(),
		"outoftime":  outOfTime(),
		"noresolver": noResolver(),
		"noroute":    noRoute(),
		"empty":      (&site{&report.Report{Site: "gw-17", Configuration: "the built-in catalogue", Resolvers: []netip.AddrPort{resolver}, Started: started, Finished: started}}).diagnosed(),
	}
}

// learning is a first round: all is well, and it is too early for a verdict on the resolver.
func learning() *report.Report {
	s := newSite()
	for i := range s.Hosts {
		f := &s.Hosts[i].Resolvers[0].Staleness
		f.Verdict, f.Ready = staleness.Unknown, started.Add(15*time.Minute)
		f.Why = staleness.Why{Kind: staleness.WhyLearning, Remaining: 15 * time.Minute}
	}
	return s.diagnosed()
}

// suspected has no fault but one that is not proved.
func suspected() *report.Report {
	s := newSite()
	f := &s.host("lwm2m").Resolvers[0].Staleness
	f.Verdict = staleness.Suspect
	f.Why = staleness.Why{Kind: staleness.WhyTTLInflatedOnce, TTL: 5 * time.Minute, ZoneTTL: time.Minute}
	return s.diagnosed()
}

// udpBlocked is the usual company network: UDP does not get out.
func udpBlocked() *report.Report {
	s := newSite()
	s.everywhere(func(w *report.Walk) {
		if w.Outcome.Transport == measurement.UDP {
			fail(w, measurement.Silent, measurement.Hello, "")
			w.Outcome.Retransmissions = 2
		}
	})
	return s.diagnosed()
}

// smallOnly is a path that loses fragments: the server asks for a cookie, its flight never comes.
func smallOnly() *report.Report {
	s := newSite()
	s.everywhere(func(w *report.Walk) {
		if w.Outcome.Transport == measurement.UDP {
			fail(w, measurement.Silent, measurement.Hello, "the server asked for a cookie after 22ms, so the path is open both ways; its flight did not come")
			w.Outcome.FirstReply = 22 * time.Millisecond
		}
	})
	return s.diagnosed()
}

// elsewhere is a host whose address belongs to another site by now, whose server listens on 443 only.
func elsewhere() *report.Report {
	s := newSite()
	h := s.host("lwm2m")
	for i := range h.Paths {
		w := &h.Paths[i].Walks[0]
		fail(w, measurement.Silent, measurement.Hello, "")
		if h.Paths[i].Port != 443 {
			continue
		}
		fail(w, measurement.Reset, measurement.Hello, "cut by RST")
		w.Outcome.Web = &measurement.Outcome{Client: measurement.Web, TLS: seenTLS()}
		tenant := judgement(h.Endpoint)
		tenant.Verdict, tenant.Subject, tenant.Issuer = trust.WrongName, "CN=tenant.example.net", "CN=Web CA 1, O=Trust Services"
		w.Finding = diagnose.Walk(diagnose.Evidence{Outcome: &w.Outcome, Own: w.Judgement, Web: &tenant})
	}
	return s.diagnosed()
}

// inspected is a network that inspects all TLS over TCP and drops UDP.
func inspected() *report.Report {
	s := newSite()
	s.everywhere(func(w *report.Walk) {
		if w.Outcome.Transport == measurement.UDP {
			fail(w, measurement.Silent, measurement.Hello, "")
			return
		}
		intercept(w, inspector)
	})
	return s.diagnosed()
}

// unproven has a host whose sessions end without an alert after the temporary certificate.
func unproven() *report.Report {
	s := newSite()
	h := s.host("tcp-lwm2m")
	for j := range h.Paths {
		o := &h.Paths[j].Walks[0].Outcome
		o.Failure, o.FailedIn, o.Detail.Kind, o.Unproven = measurement.CertificateNeeded, measurement.Finish, measurement.DetailResetAfterCert, true
		o.Pinged, o.Ponged = false, false
	}
	return s.diagnosed()
}

// unjudged is one host whose server nothing is known about.
func unjudged() *report.Report {
	s := newSite()
	e := config.Endpoint{
		Service: "device", Host: "coap.example.com", Client: measurement.Device, CoAPPing: true, Trust: config.NoTrust,
		Paths: []measurement.Path{{Transport: measurement.TCP, Port: 5684}, {Transport: measurement.UDP, Port: 5684}},
	}
	s.Hosts = s.Hosts[:1]
	h := &s.Hosts[0]
	address := h.Zone.Addresses[0]
	h.Endpoint, h.Paths = &e, nil
	for _, p := range e.Paths {
		w := passing(&e, p, address)
		w.Judgement.Authentic, w.Judgement.Expected = false, ""
		w.Judgement.Unjudged, w.Judgement.Issuer, w.Judgement.Chain = true, inspector, []string{inspector}
		h.Paths = append(h.Paths, report.Path{Path: p, Walks: []report.Walk{w}})
	}
	return s.diagnosed()
}

// trustedHere has a web host behind a firewall whose root is installed on this machine, and one whose old address has
// another owner by now.
func trustedHere() *report.Report {
	s := newSite()
	h := s.host("containers")
	intercept(&h.Paths[0].Walks[0], inspector)
	h.Paths[0].Walks[0].Judgement.MachineRoot = true
	h.Paths[0].Walks[0].Judgement.Detail.Kind = measurement.DetailTrustMachineRoot
	h = s.host("tcp-lwm2m")
	old := netip.MustParseAddr("203.0.113.99")
	h.Resolvers[0].Staleness = staleness.Assessment{
		Verdict: staleness.Stale, Withdrawn: []netip.Addr{old}, Why: staleness.Why{Kind: staleness.WhyTTLInflated, TTL: 5 * time.Minute, ZoneTTL: time.Minute},
	}
	for j := range h.Paths {
		gone := passing(h.Endpoint, h.Paths[j].Path, old)
		gone.Withdrawn = true
		intercept(&gone, "CN=appliance")
		gone.Judgement.SelfSigned, gone.Judgement.Subject = true, "CN=appliance"
		h.Paths[j].Walks = append(h.Paths[j].Walks, gone)
	}
	w := &s.host("lwm2m").Paths[0].Walks[0]
	w.Outcome.Ponged, w.Outcome.Detail.Kind = false, measurement.DetailFramingRFC8323
	return s.diagnosed()
}

// sick has one of each fault.
func sick() *report.Report {
	s := newSite()

	// An intercepted host whose resolver is proved stale, with the address it should have forgotten; UDP is blocked.
	h := s.host("bootstrap")
	old := netip.MustParseAddr("203.0.113.99")
	r := &h.Resolvers[0]
	r.Lookup.Addresses = append(r.Lookup.Addresses, old)
	r.Lookup.TTL = 300 * time.Second
	r.Changes, r.LastChange = 3, started.Add(-time.Hour)
	r.Staleness = staleness.Assessment{
		Verdict: staleness.Stale, Withdrawn: []netip.Addr{old},
		Why: staleness.Why{Kind: staleness.WhyTTLInflated, TTL: 5 * time.Minute, ZoneTTL: time.Minute},
	}
	for j := range h.Paths {
		p := &h.Paths[j]
		gone := passing(h.Endpoint, p.Path, old)
		gone.Withdrawn = true
		if p.Transport == measurement.UDP {
			fail(&p.Walks[0], measurement.Silent, measurement.Hello, "")
			fail(&gone, measurement.Refused, measurement.Hello, "")
		} else {
			intercept(&p.Walks[0], inspector)
			fail(&gone, measurement.Unreachable, measurement.Connect, "")
			p.Idle = &report.IdleBounds{Reason: report.IdleReasonUnknown, Open: report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleForeign}}}
		}
		p.Walks = append(p.Walks, gone)
	}

	// UDP is blocked, TCP passes, behind a NAT that forgets; pings are ignored.
	h = s.host("lwm2m")
	for j := range h.Paths {
		p := &h.Paths[j]
		if p.Transport == measurement.UDP {
			fail(&p.Walks[0], measurement.Silent, measurement.Hello, "")
			p.Walks[0].Outcome.Retransmissions = 3
			continue
		}
		p.Walks[0].Outcome.Ponged = false
		p.Idle = &report.IdleBounds{Survived: 120 * time.Second, Lost: 180 * time.Second, Reason: report.IdleReasonDropped, LostBy: report.IdleFact{Kind: report.IdleNoAnswer}}
	}

	// A server that refuses the configured certificate would need one; the refusal of the temporary one is not a
	// failure.
	h = s.host("tcp-lwm2m")
	h.Paths[0].Walks[0].Outcome.Failure, h.Paths[0].Walks[0].Outcome.FailedIn = measurement.CertificateNeeded, measurement.Finish
	h.Paths[0].Walks[0].Outcome.Detail = measurement.Detail{Text: "the server sent the alert unknown_ca (48) after our certificate"}
	h.Paths[0].Walks[0].Outcome.Pinged, h.Paths[0].Walks[0].Outcome.Ponged = false, false
	fail(&h.Paths[1].Walks[0], measurement.OutOfTime, measurement.Hello, "")

	// The configured certificate is refused.
	h = s.host("udp-lwm2m")
	w := &h.Paths[0].Walks[0]
	w.Outcome.Failure, w.Outcome.FailedIn, w.Outcome.Detail = measurement.CertificateNeeded, measurement.Finish, measurement.Detail{Text: "TLS alert 48, unknown_ca"}
	w.Outcome.Pinged, w.Outcome.Ponged, w.Outcome.Retransmissions = false, false, 1
	w.Finding = diagnose.Walk(diagnose.Evidence{Outcome: &w.Outcome, Own: w.Judgement, CredentialConfigured: true})

	// A name that only one resolver refuses to know.
	h = s.host("containers")
	h.Resolvers = append(h.Resolvers, report.Resolver{
		Lookup: measurement.Lookup{Resolver: second, Took: 900 * time.Microsecond, Failure: measurement.DNSNXDomain, Detail: measurement.Detail{Text: "by rule 7"}},
	})

	// Eight addresses of nine and IPv6 ones, of which some fail, at two resolvers that differ.
	h = s.host("gateways")
	h.Resolvers[0].Lookup.Addresses = nil
	p := &h.Paths[0]
	p.Walks = nil
	for k := range 8 {
		address := netip.AddrFrom4([4]byte{198, 51, 100, byte(100 + k)})
		if k < 2 {
			address = netip.MustParseAddr(fmt.Sprintf("2001:db8:1234:5678:9abc:def0:1234:%d", 5670+k))
		}
		h.Resolvers[0].Lookup.Addresses = append(h.Resolvers[0].Lookup.Addresses, address)
		walk := passing(h.Endpoint, p.Path, address)
		if k == 4 || k == 5 {
			fail(&walk, measurement.Reset, measurement.Hello, "")
		}
		p.Walks = append(p.Walks, walk)
	}
	p.Omitted = 1
	h.Resolvers = append(h.Resolvers, report.Resolver{
		Lookup:    measurement.Lookup{Resolver: second, Took: 12 * time.Millisecond, Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.108")}, TTL: 30 * time.Second},
		Staleness: staleness.Assessment{Verdict: staleness.Suspect, Why: staleness.Why{Kind: staleness.WhyTTLInflatedOnce, TTL: 5 * time.Minute, ZoneTTL: time.Minute}},
	})

	// A diverted name.
	h = s.host("edge-k8s")
	sink := netip.MustParseAddr("10.0.0.1")
	h.Resolvers[0].Lookup.Addresses = []netip.Addr{sink}
	h.Paths[0].Walks = []report.Walk{{
		Outcome: measurement.Outcome{Address: netip.AddrPortFrom(sink, 443), Transport: measurement.TCP, Client: measurement.Web},
		Finding: diagnose.SinkholeFinding(sink),
	}}
	return s.diagnosed()
}

// offline is a machine without a network: no DNS server answers.
func offline() *report.Report {
	s := newSite()
	for i := range s.Hosts {
		s.Hosts[i].Resolvers = append(s.Hosts[i].Resolvers, report.Resolver{Lookup: measurement.Lookup{Resolver: second}})
	}
	s.unresolved(measurement.DNSTimeout, "")
	for i := range s.Hosts {
		s.Hosts[i].Resolvers[1].Lookup.Failure = measurement.DNSUnreachable
		s.Hosts[i].Resolvers[1].Lookup.Detail = measurement.Detail{Text: "network is unreachable"}
	}
	return s.diagnosed()
}

// oneSilent is a site with a second DNS server that does not answer.
func oneSilent() *report.Report {
	s := newSite()
	for i := range s.Hosts {
		s.Hosts[i].Resolvers = append(s.Hosts[i].Resolvers, report.Resolver{
			Lookup:    measurement.Lookup{Resolver: second, Took: 2500 * time.Millisecond, Failure: measurement.DNSTimeout},
			Staleness: staleness.Assessment{Verdict: staleness.Unknown, Why: staleness.Why{Kind: staleness.WhyNoAnswer}},
		})
	}
	return s.diagnosed()
}

// servfail is a site whose DNS server has no way out.
func servfail() *report.Report {
	s := newSite()
	s.unresolved(measurement.DNSServFail, "")
	return s.diagnosed()
}

// blocked is a site that resolves and lets nothing out.
func blocked() *report.Report {
	s := newSite()
	s.everywhere(func(w *report.Walk) {
		if w.Outcome.Transport == measurement.UDP {
			fail(w, measurement.Silent, measurement.Hello, "")
		} else {
			fail(w, measurement.Unreachable, measurement.Connect, "no answer within 4 s")
		}
	})
	return s.diagnosed()
}

// proxied is a site that lets nothing out but what goes through its proxy.
func proxied() *report.Report {
	s := &site{blocked()}
	s.Proxy = report.Proxy{Variable: "HTTPS_PROXY", Address: "proxy.example:3128"}
	return s.diagnosed()
}

// filtered is a site that lets connections open and stops every handshake, and drops UDP.
func filtered() *report.Report {
	s := newSite()
	s.everywhere(func(w *report.Walk) {
		connect := w.Outcome.Times[0]
		if w.Outcome.Transport == measurement.UDP {
			fail(w, measurement.Silent, measurement.Hello, "")
		} else {
			fail(w, measurement.Reset, measurement.Hello, "cut by RST")
			w.Outcome.Times = []measurement.PhaseTime{connect}
		}
	})
	return s.diagnosed()
}

// outOfTime is a round that ended before anything came back.
func outOfTime() *report.Report {
	s := newSite()
	s.unresolved(measurement.DNSOutOfTime, "")
	return s.diagnosed()
}

// noResolver is a machine whose resolv.conf names no server.
func noResolver() *report.Report {
	s := newSite()
	s.unresolved(measurement.DNSTimeout, "")
	for i := range s.Hosts {
		s.Hosts[i].Resolvers = nil
	}
	return s.diagnosed()
}

// noRoute is a machine whose DNS server answers, and which has no route to the addresses.
func noRoute() *report.Report {
	s := newSite()
	for i := range s.Hosts {
		for j := range s.Hosts[i].Paths {
			s.Hosts[i].Paths[j].Walks, s.Hosts[i].Paths[j].Omitted = nil, 1
		}
	}
	return s.diagnosed()
}
