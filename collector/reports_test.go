package collector

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// noon is when the reports' rounds began.
var noon = time.Date(2026, time.November, 3, 12, 0, 0, 0, time.UTC)

const ms = time.Millisecond

var (
	office  = netip.MustParseAddrPort("192.0.2.53:53")
	branch  = netip.MustParseAddrPort("[2001:db8::53]:53")
	cloud4  = netip.MustParseAddr("198.51.100.7")
	cloud4b = netip.MustParseAddr("198.51.100.8")
	cloud6  = netip.MustParseAddr("2001:db8:7::7")
	moved   = netip.MustParseAddr("203.0.113.99")
)

func endpoint(service, host string, client measurement.Client, paths ...measurement.Path) *config.Endpoint {
	return &config.Endpoint{Service: service, Host: host, Client: client, Paths: paths}
}

func tcp(port uint16) measurement.Path {
	return measurement.Path{Transport: measurement.TCP, Port: port}
}
func udp(port uint16) measurement.Path {
	return measurement.Path{Transport: measurement.UDP, Port: port}
}

// times are the phases of a walk in order: connect (TCP only), hello, finish, ping.
func times(t measurement.Transport, took ...time.Duration) (out []measurement.PhaseTime) {
	phases := measurement.Phases
	if t == measurement.UDP {
		phases = phases[1:]
	}
	for i, d := range took {
		out = append(out, measurement.PhaseTime{Phase: phases[i], Took: d})
	}
	return out
}

// deviceTLS is the flight of the real server, as a device sees it.
func deviceTLS(t measurement.Transport) *measurement.TLS {
	version := uint16(tls.VersionTLS12)
	if t == measurement.UDP {
		version = devicetls.VersionDTLS
	}
	return &measurement.TLS{
		Version: version, Cipher: devicetls.SuiteCCM8, RawChain: [][]byte{{}},
		KeyProved: true, SignatureChecked: true, CertificateRequested: true, FlightBytes: 872,
	}
}

func authentic() trust.Judgement {
	return trust.Judgement{
		Seen: true, Authentic: true,
		Issuer:  "CN=ARM Bootstrap CA,O=ARM Ltd,L=Cambridge,ST=Cambridgeshire,C=GB",
		Subject: "CN=bootstrap.example.com", PublicKeySHA256: strings.Repeat("d7", 32),
		NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(1, 0, 0),
	}
}

func intercepted() trust.Judgement {
	return trust.Judgement{
		Seen: true, Verdict: trust.WrongIssuer,
		Issuer: `CN=SSLInspect "Box\7",O=Müller`, Subject: "CN=bootstrap.example.com", PublicKeySHA256: strings.Repeat("0f", 32),
		NotBefore: noon.AddDate(0, 0, -7), NotAfter: noon.AddDate(0, 0, 7),
	}
}

func failed(r reason.Reason) report.Finding {
	return report.Finding{Reason: r}
}

// goodWalk is a walk that carries a device.
func goodWalk(t measurement.Transport, addr netip.Addr, port uint16) report.Walk {
	o := measurement.Outcome{
		Address: netip.AddrPortFrom(addr, port), Local: netip.MustParseAddrPort("192.168.7.20:40000"),
		Transport: t, Client: measurement.Device, Started: noon, TLS: deviceTLS(t), Pinged: true, Ponged: true,
	}
	if t == measurement.UDP {
		o.Times = times(t, 32*ms, 22*ms, 12*ms)
		o.FirstReply = 11 * ms
	} else {
		o.Times = times(t, 10*ms, 25*ms, 20*ms, 11*ms)
		o.RTT = 9500 * time.Microsecond
	}
	return report.Walk{Outcome: o, Judgement: authentic()}
}

// badWalk is a walk that failed after these phases.
func badWalk(t measurement.Transport, addr netip.Addr, port uint16, f measurement.Failure, why reason.Reason, took ...time.Duration) report.Walk {
	return report.Walk{
		Outcome: measurement.Outcome{
			Address: netip.AddrPortFrom(addr, port), Local: netip.MustParseAddrPort("192.168.7.20:40000"),
			Transport: t, Client: measurement.Device, Started: noon, Times: times(t, took...), Failure: f,
		},
		Finding: failed(why),
	}
}

// path assembles a path from its walks, as a survey does.
func path(p measurement.Path, ok, bad uint64, walks ...report.Walk) report.Path {
	out := report.Path{Path: p, OK: ok, Failed: bad, Walks: walks}
	if len(walks) > 0 {
		out.Finding = walks[0].Finding
	}
	out.Known = out.Finding.Reason != reason.OutOfTime
	out.Up = out.Finding.Reason == reason.OK
	return out
}

// emptyPath is a path without an address.
func emptyPath(p measurement.Path, why reason.Reason) report.Path {
	out := report.Path{Path: p, Failed: 3, Finding: failed(why)}
	out.Known = why != reason.OutOfTime
	return out
}

func noEvidence() map[staleness.Evidence]uint64 {
	out := make(map[staleness.Evidence]uint64)
	for _, kind := range staleness.Kinds {
		out[kind] = 0
	}
	return out
}

func resolved(server netip.AddrPort, addresses ...netip.Addr) report.Resolver {
	return report.Resolver{
		Lookup:    measurement.Lookup{Resolver: server, Took: 3 * ms, Addresses: addresses, TTL: 57 * time.Second},
		Staleness: staleness.Assessment{Verdict: staleness.OK, Counts: noEvidence()},
	}
}

func unresolved(server netip.AddrPort, why measurement.DNSFailure, took time.Duration) report.Resolver {
	return report.Resolver{
		Lookup:    measurement.Lookup{Resolver: server, Took: took, Failure: why},
		Staleness: staleness.Assessment{Verdict: staleness.Unknown, Counts: noEvidence()},
	}
}

// healthyReport is a site where all is well: a host with two resolvers, two families and three paths, and one that is
// an address.
func healthyReport() *report.Report {
	bootstrap := endpoint("bootstrap", "bootstrap.example.com", measurement.Device, tcp(5684), udp(5684), tcp(443))
	bootstrap.Keepalive = 540 * time.Second
	tcp5684 := path(tcp(5684), 41, 1, goodWalk(measurement.TCP, cloud6, 5684), goodWalk(measurement.TCP, cloud4, 5684))
	tcp5684.Walks[0].Outcome.Local = netip.MustParseAddrPort("[2001:db8:1::20]:40000")
	tcp5684.Idle = &report.IdleBounds{Survived: 540 * time.Second, LastRound: noon.Add(-time.Hour)}
	return &report.Report{
		Site: "berlin", Started: noon, Finished: noon.Add(125 * ms),
		AuthorityPath: measurement.Port53OK,
		Queries: []measurement.QueryCount{
			{Leg: "resolver", Rcode: "NOERROR", Count: 84},
			{Leg: "resolver", Rcode: "timeout", Count: 1},
			{Leg: "authority", Rcode: "noerror", Count: 80},
			{Leg: "authority", Rcode: "NOTZONE", Count: 2},
			{Leg: "authority", Rcode: "BADVERS", Count: 1},
		},
		Hosts: []report.Host{
			{
				Endpoint: bootstrap, Up: true, Known: true,
				Resolvers: []report.Resolver{resolved(office, cloud6, cloud4), resolved(branch, cloud4)},
				Zone:      report.Zone{Known: true, TTL: time.Minute, Addresses: []netip.Addr{cloud6, cloud4}, LastValid: noon},
				Paths: []report.Path{
					tcp5684,
					path(udp(5684), 42, 0, goodWalk(measurement.UDP, cloud6, 5684), goodWalk(measurement.UDP, cloud4, 5684)),
					path(tcp(443), 42, 0, goodWalk(measurement.TCP, cloud6, 443), goodWalk(measurement.TCP, cloud4, 443)),
				},
			},
			{
				Endpoint: endpoint("meters", "203.0.113.5", measurement.Device, udp(5684)), Up: true, Known: true,
				Paths: []report.Path{path(udp(5684), 42, 0, goodWalk(measurement.UDP, netip.MustParseAddr("203.0.113.5"), 5684))},
			},
		},
	}
}

// sickReport is a site where each host has another fault.
func sickReport() *report.Report {
	return &report.Report{
		Queries: []measurement.QueryCount{}, // nothing was asked
		Site:    "berlin", Started: noon, Finished: noon.Add(10 * time.Second),
		IncompletePaths: 2,
		AuthorityPath:   measurement.Port53Intercepted,
		Hosts: []report.Host{
			sickIntercepted(), sickStale(), sickUnresolved(), sickOutOfTime(), sickSinkhole(), sickWeb(), sickRoute(),
		},
	}
}

// sickIntercepted is a host with TLS inspection, seen by the device's own hello on 443 and only by the browser's on
// 5684; one UDP port is dropped, another is lossy; one server flight is cut off before its signature.
func sickIntercepted() report.Host {
	seen := badWalk(measurement.TCP, cloud4, 443, measurement.Completed, reason.WrongIssuer, 4*ms, 6*ms)
	seen.Outcome.TLS, seen.Judgement = deviceTLS(measurement.TCP), intercepted()
	seen.Outcome.TLS.CertificateRequested = false
	seen.Outcome.RTT = 4 * ms
	second := seen
	second.Outcome.Address = netip.AddrPortFrom(cloud4b, 443)

	cut := badWalk(measurement.TCP, cloud4, 5684, measurement.Reset, reason.WrongIssuer, 4*ms)
	cut.Judgement = intercepted()
	cut.Outcome.Web = &measurement.Outcome{
		Address: cut.Outcome.Address, Transport: measurement.TCP, Client: measurement.Web, Times: times(measurement.TCP, 4*ms, 7*ms),
		TLS: &measurement.TLS{
			Version: tls.VersionTLS13, Cipher: tls.TLS_AES_128_GCM_SHA256, RawChain: [][]byte{{}}, KeyProved: true, SignatureChecked: true,
		},
	}
	tcp5684 := path(tcp(5684), 3, 7, cut, badWalk(measurement.TCP, cloud4b, 5684, measurement.Refused, reason.Refused))
	tcp5684.Idle = &report.IdleBounds{Survived: 240 * time.Second, Lost: 350 * time.Second, Closed: 600 * time.Second, LastRound: noon.Add(-time.Minute)}

	silent := badWalk(measurement.UDP, cloud4, 5684, measurement.Silent, reason.Silent)
	silent.Outcome.Retransmissions = 3
	lossy := goodWalk(measurement.UDP, cloud4, 5685)
	lossy.Outcome.Retransmissions, lossy.Outcome.Ponged = 2, false

	half := badWalk(measurement.TCP, cloud4, 8883, measurement.Silent, reason.Silent, 8*ms)
	half.Outcome.TLS = &measurement.TLS{Version: tls.VersionTLS12, Cipher: 0x1301 + 0x4000, RawChain: [][]byte{{}}, FlightBytes: 700}
	half.Judgement = authentic()
	half.Judgement.Authentic, half.Judgement.Verdict = false, trust.KeyNotProved
	return report.Host{
		Endpoint: endpoint("bootstrap", "bootstrap.example.com", measurement.Device, tcp(5684), udp(5684), tcp(443), udp(5685), tcp(8883)), Up: true, Known: true,
		Resolvers: []report.Resolver{resolved(office, cloud4, cloud4b)},
		Paths: []report.Path{
			tcp5684,
			path(udp(5684), 0, 10, silent),
			path(tcp(443), 0, 10, seen, second, goodWalk(measurement.TCP, cloud6, 443)),
			path(udp(5685), 10, 0, lossy),
			path(tcp(8883), 0, 10, half),
		},
	}
}

// sickStale is a host with a resolver that is proved stale and gives a withdrawn address first.
func sickStale() report.Host {
	stale := resolved(office, moved, cloud4)
	stale.Changes, stale.LastChange = 2, noon.Add(-20*time.Minute)
	stale.Lookup.TTL = 300 * time.Second
	counts := noEvidence()
	counts[staleness.TTLInflated], counts[staleness.WithdrawnAddress] = 4, 2
	stale.Staleness = staleness.Assessment{
		Verdict: staleness.Stale, Counts: counts, TTLExcess: 240 * time.Second, Staleness: 95500 * ms, Withdrawn: []netip.Addr{moved},
	}
	suspect := resolved(branch, cloud4)
	suspect.Staleness.Verdict = staleness.Suspect

	harm := badWalk(measurement.TCP, moved, 5684, measurement.Completed, reason.WrongIssuer, 30*ms, 40*ms)
	harm.Withdrawn = true
	harm.Outcome.TLS, harm.Judgement = deviceTLS(measurement.TCP), intercepted()
	return report.Host{
		Endpoint: endpoint("mds", "lwm2m.example.com", measurement.Device, tcp(5684)), Known: true,
		Resolvers: []report.Resolver{stale, suspect},
		Zone:      report.Zone{Known: true, TTL: time.Minute, Addresses: []netip.Addr{cloud4}, LastValid: noon.Add(500 * ms)},
		Paths:     []report.Path{path(tcp(5684), 10, 2, harm, goodWalk(measurement.TCP, cloud4, 5684))},
	}
}

// sickUnresolved is a host for which no resolver gives an address.
func sickUnresolved() report.Host {
	return report.Host{
		Endpoint: endpoint("mds", "udp-lwm2m.example.com", measurement.Device, udp(5684)), Known: true,
		Resolvers: []report.Resolver{unresolved(office, measurement.DNSNXDomain, 2*ms), unresolved(branch, measurement.DNSTimeout, 5*time.Second)},
		Paths:     []report.Path{emptyPath(udp(5684), reason.DNSFailed)},
	}
}

// sickOutOfTime is a host whose look-ups, and on another path whose walk, the deadline cut off.
func sickOutOfTime() report.Host {
	cut := badWalk(measurement.TCP, cloud4, 443, measurement.OutOfTime, reason.OutOfTime, 900*ms)
	return report.Host{
		Endpoint: endpoint("mds", "tcp-lwm2m.example.com", measurement.Device, tcp(5684), tcp(443)),
		Resolvers: []report.Resolver{
			{Lookup: measurement.Lookup{Resolver: office, Failure: measurement.DNSOutOfTime, Took: 10 * time.Second}},
			{Lookup: measurement.Lookup{ // a TTL of 0 is known
				Resolver: branch, Took: 9 * time.Second, Addresses: []netip.Addr{cloud4},
				Answers: []measurement.Answer{{Type: 1}, {Type: 28, Failure: measurement.DNSServFail}},
			}},
		},
		Paths: []report.Path{emptyPath(tcp(5684), reason.OutOfTime), path(tcp(443), 9, 0, cut)},
	}
}

// sickSinkhole is a host whose name leads to an address that cannot be the cloud; nothing was sent there.
func sickSinkhole() report.Host {
	hole := netip.MustParseAddr("10.0.0.1")
	walk := report.Walk{
		Outcome: measurement.Outcome{Address: netip.AddrPortFrom(hole, 443), Transport: measurement.TCP, Client: measurement.Web},
		Finding: failed(reason.Sinkhole),
	}
	return report.Host{
		Endpoint: endpoint("gateway", "gateways.example.com", measurement.Web, tcp(443)), Known: true,
		Resolvers: []report.Resolver{resolved(office, hole)},
		Paths:     []report.Path{path(tcp(443), 0, 4, walk)},
	}
}

// sickWeb is a web host with an expired certificate.
func sickWeb() report.Host {
	expired := badWalk(measurement.TCP, cloud4, 443, measurement.Completed, reason.Expired, 8*ms, 16*ms)
	expired.Outcome.Client = measurement.Web
	expired.Outcome.TLS = &measurement.TLS{
		Version: tls.VersionTLS12, Cipher: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, RawChain: [][]byte{{}}, KeyProved: true, SignatureChecked: true,
	}
	expired.Judgement = trust.Judgement{
		Seen: true, Authentic: true, Verdict: trust.Expired, Issuer: "CN=R3,O=Let's Encrypt,C=US", Subject: "CN=containers.example.com",
		PublicKeySHA256: strings.Repeat("ab", 32), NotBefore: noon.AddDate(0, -4, 0), NotAfter: noon.AddDate(0, -1, 0),
	}
	return report.Host{
		Endpoint: endpoint("containers", "containers.example.com", measurement.Web, tcp(443)), Known: true,
		Resolvers: []report.Resolver{resolved(office, cloud4)},
		Paths:     []report.Path{path(tcp(443), 0, 5, expired)},
	}
}

// sickRoute is a host all of whose addresses are of a family without a route.
func sickRoute() report.Host {
	p := emptyPath(tcp(443), reason.Unreachable)
	p.Omitted = 1
	return report.Host{
		Endpoint: endpoint("edge", "edge-k8s.example.com", measurement.Web, tcp(443)), Known: true,
		Resolvers: []report.Resolver{resolved(office, cloud6)},
		Paths:     []report.Path{p},
	}
}

// histogramsOf are the histograms of a report's paths after they observed it.
func histogramsOf(rep *report.Report) *Histograms {
	h := NewHistograms()
	h.Keep(endpointsOf(rep))
	h.Observe(rep)
	return h
}

func endpointsOf(rep *report.Report) (out []config.Endpoint) {
	for i := range rep.Hosts {
		out = append(out, *rep.Hosts[i].Endpoint)
	}
	return out
}
