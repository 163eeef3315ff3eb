package collector

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// fixed are the labels that are the same in all series of a host that [of] shows.
var fixed = regexp.MustCompile(`(host|service|port|resolver|transport)="(h|s|1|192.0.2.53:53|tcp)",?`)

// of shows one host with one TCP path in this state and returns the samples of these metrics, without the labels that
// are the same for all.
func of(t *testing.T, h report.Host, options Options, metrics ...name) []string {
	t.Helper()
	if h.Endpoint == nil {
		h.Endpoint = endpoint("s", "h", measurement.Device, tcp(1))
	}
	text := expose(t, New(&report.Report{Started: noon, Finished: noon, Hosts: []report.Host{h}}, options))
	var out []string
	for _, line := range samples(text) {
		for _, m := range metrics {
			if strings.HasPrefix(line, table[m].Name+"{") {
				rest := fixed.ReplaceAllString(strings.TrimPrefix(line, table[m].Name), "")
				out = append(out, strings.NewReplacer(",}", "}", "{}", "").Replace(rest))
			}
		}
	}
	return out
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func onPath(walks ...report.Walk) report.Host {
	return report.Host{Paths: []report.Path{path(tcp(1), 0, 0, walks...)}}
}

func atResolver(r report.Resolver) report.Host {
	r.Lookup.Resolver = office
	return report.Host{Resolvers: []report.Resolver{r}}
}

func TestUpAbsentWhileUnknown(t *testing.T) {
	h := onPath(badWalk(measurement.TCP, cloud4, 1, measurement.OutOfTime, reason.OutOfTime))
	want(t, of(t, h, Options{}, up, pathUp))
	h.Known, h.Paths[0].Known = true, true
	want(t, of(t, h, Options{}, up, pathUp), " 0", " 0")
}

func TestPathFailureCountsAddresses(t *testing.T) {
	refused := func(a netip.Addr) report.Walk {
		return badWalk(measurement.TCP, a, 1, measurement.Refused, reason.Refused)
	}
	late := badWalk(measurement.TCP, cloud4b, 1, measurement.OutOfTime, reason.OutOfTime)
	h := onPath(goodWalk(measurement.TCP, cloud6, 1), refused(cloud4), refused(moved), refused(cloud4), late)
	h.Paths[0].Omitted = 3
	want(t, of(t, h, Options{}, pathFailure, pathAddresses),
		`{result="failed"} 2`, `{result="ok"} 1`, `{result="omitted"} 4`,
		`{class="blocked",reason="refused"} 2`, `{class="survey",reason="out_of_time"} 1`)
}

func TestInterceptorAddressesNameIssuersOfAllAddresses(t *testing.T) {
	intercepted := func(a netip.Addr, why reason.Reason, j trust.Judgement) report.Walk {
		w := badWalk(measurement.TCP, a, 1, measurement.Failure(""), why)
		w.Judgement = j
		return w
	}
	box := trust.Judgement{Seen: true, Issuer: "CN=Box"}
	h := onPath(goodWalk(measurement.TCP, cloud6, 1), intercepted(cloud4, reason.WrongIssuer, box), intercepted(moved, reason.ForgedIssuer, box),
		intercepted(cloud4b, reason.Expired, trust.Judgement{Seen: true, Issuer: "CN=Cloud"}))
	want(t, of(t, h, Options{}, pathInterceptorAddresses), `{issuer="CN=Box"} 2`)
	h = onPath(goodWalk(measurement.TCP, cloud6, 1), intercepted(cloud4, reason.BlockPage, trust.Judgement{}))
	want(t, of(t, h, Options{}, pathInterceptorAddresses))
}

func TestPathFailureWithoutAddress(t *testing.T) {
	for _, why := range []reason.Reason{reason.DNSFailed, reason.OutOfTime, reason.Unreachable} {
		h := report.Host{Paths: []report.Path{emptyPath(tcp(1), why)}}
		want(t, of(t, h, Options{}, pathFailure), fmt.Sprintf(`{class="%s",reason="%s"} 1`, why.Class(), why))
	}
}

func TestWithdrawnAddressNotCounted(t *testing.T) {
	harm := badWalk(measurement.TCP, moved, 1, measurement.Completed, reason.WrongIssuer, ms, ms)
	harm.Withdrawn = true
	harmless := goodWalk(measurement.TCP, cloud4b, 1)
	harmless.Withdrawn = true
	late := badWalk(measurement.TCP, cloud6, 1, measurement.OutOfTime, reason.OutOfTime)
	late.Withdrawn = true
	h := onPath(harm, goodWalk(measurement.TCP, cloud4, 1), harmless, late)
	want(t, of(t, h, Options{}, pathFailure, pathAddresses, pathWithdrawnAddresses, pathUp),
		`{result="failed"} 0`, `{result="ok"} 1`, `{result="omitted"} 0`,
		" 0", // the path's result is that of the address that devices use
		`{result="failed"} 1`, `{result="ok"} 1`)
	want(t, of(t, onPath(goodWalk(measurement.TCP, cloud4, 1)), Options{}, pathWithdrawnAddresses))
}

func TestPathDurationAbsentWithoutPhase(t *testing.T) {
	w := badWalk(measurement.TCP, cloud4, 1, measurement.Silent, reason.Silent, 5*ms)
	w.Outcome.Times = append(w.Outcome.Times, w.Outcome.Times...) // does not happen; it must not give a second series
	want(t, of(t, onPath(w), Options{}, pathDuration, tcpRTT, coapUp, tlsInfo, tlsAuthentic, tlsServerFlight, tlsCertificateRequested),
		`{phase="connect"} 0.005`)
	w = goodWalk(measurement.TCP, cloud4, 1)
	w.Outcome.Pinged, w.Outcome.Ponged = false, false
	want(t, of(t, onPath(w), Options{}, coapUp))
	w.Outcome.Pinged = true
	want(t, of(t, onPath(w), Options{}, coapUp), " 0")
	w.Outcome.Failure, w.Outcome.FailedIn = measurement.OutOfTime, measurement.Ping
	want(t, of(t, onPath(w), Options{}, coapUp))
}

func TestRetransmissionsAbsentWithoutWalk(t *testing.T) {
	shown := func(change func(*report.Walk)) []string {
		w := badWalk(measurement.UDP, cloud4, 1, measurement.Silent, reason.Silent)
		w.Outcome.Retransmissions = 3
		change(&w)
		h := report.Host{Endpoint: endpoint("s", "h", measurement.Device, udp(1)), Paths: []report.Path{path(udp(1), 0, 0, w)}}
		return of(t, h, Options{}, udpRetransmissions, pathFirstReply)
	}
	want(t, shown(func(*report.Walk) {}), `{transport="udp"} 3`)
	want(t, shown(func(w *report.Walk) { w.Finding = failed(reason.OutOfTime) }))
	want(t, shown(func(w *report.Walk) { w.Outcome.Local = netip.AddrPort{} }))
}

func TestBehindNAT(t *testing.T) {
	for _, c := range []struct{ local, to, want string }{
		{"192.168.7.20", "198.51.100.7", "1"},
		{"100.64.3.4", "198.51.100.7", "1"}, // a carrier's
		{"fd00::1", "2001:db8::7", "1"},
		{"203.0.113.20", "198.51.100.7", "0"},
		{"192.168.7.20", "10.0.0.1", "0"}, // within the site
		{"127.0.0.1", "127.0.0.1", "0"},
	} {
		w := goodWalk(measurement.TCP, netip.MustParseAddr(c.to), 1)
		w.Outcome.Local = netip.AddrPortFrom(netip.MustParseAddr(c.local), 40000)
		want(t, of(t, onPath(w), Options{}, pathBehindNAT), " "+c.want)
	}
}

func TestTLSAuthentic(t *testing.T) {
	shown := func(checked bool, verdict trust.Verdict) []string {
		w := badWalk(measurement.TCP, cloud4, 1, measurement.Silent, reason.Silent, ms)
		w.Outcome.TLS = &measurement.TLS{Version: 0x0303, Cipher: 0xc0ae, RawChain: [][]byte{{}}, SignatureChecked: checked, FlightBytes: 500}
		w.Judgement = trust.Judgement{Seen: true, Verdict: verdict}
		return of(t, onPath(w), Options{}, tlsAuthentic, tlsServerFlight, tlsCertificateRequested)
	}
	want(t, shown(false, trust.KeyNotProved)) // cut off before the signature: nothing is known
	want(t, shown(true, trust.KeyNotProved), " 0")
	want(t, shown(false, trust.WrongIssuer), " 0") // the name decides
}

func TestTLSInfoAbsentWithoutServerHello(t *testing.T) {
	w := badWalk(measurement.TCP, cloud4, 1, measurement.Alert, reason.Alert, ms)
	w.Outcome.TLS = &measurement.TLS{Alert: 40, HasAlert: true}
	want(t, of(t, onPath(w), Options{}, tlsInfo, tlsCertificateRequested, tlsServerFlight))
}

func TestCountersAbsentWhileUnread(t *testing.T) {
	r := resolved(office, cloud4)
	r.Changes = 7
	want(t, of(t, atResolver(r), Options{}, dnsAddressChanges), " 7")
	// The round ended before the verdict: only the look-up is known.
	cut := report.Resolver{Lookup: r.Lookup}
	want(t, of(t, atResolver(cut), Options{}, dnsAddressChanges, dnsEvidence, dnsStale, dnsVerdict, dnsStaleness, dnsTTLExcess, dnsWithdrawnAddresses))
	want(t, of(t, atResolver(cut), Options{}, dnsUp), " 1")
}

func TestDNSUpAbsentWhenCutOff(t *testing.T) {
	r := unresolved(office, measurement.DNSOutOfTime, 10*time.Second)
	want(t, of(t, atResolver(r), Options{}, dnsUp, dnsFailure, dnsLookupDuration, dnsAddresses, dnsTTL), `{reason="out_of_time"} 1`)
}

func TestTTLExcessAbsentWithoutZone(t *testing.T) {
	h := atResolver(resolved(office, cloud4))
	want(t, of(t, h, Options{}, dnsTTLExcess))
	h.Zone.Known = true
	want(t, of(t, h, Options{}, dnsTTLExcess), " 0")
	h.Zone.Known, h.Resolvers[0].Staleness.TTLExcess = false, time.Minute // within hold
	want(t, of(t, h, Options{}, dnsTTLExcess), " 60")
}

func TestDNSVerdictOneOf(t *testing.T) {
	for _, v := range []staleness.Verdict{staleness.OK, staleness.Stale, staleness.Suspect, staleness.Unknown} {
		r := resolved(office, cloud4)
		r.Staleness.Verdict = v
		got := strings.Join(of(t, atResolver(r), Options{}, dnsVerdict), "\n")
		if strings.Count(got, " 1") != 1 || strings.Count(got, " 0") != 3 || !strings.Contains(got, fmt.Sprintf(`{verdict="%s"} 1`, v)) {
			t.Errorf("%s:\n%s", v, got)
		}
		proof := of(t, atResolver(r), Options{}, dnsStale, dnsStaleness, dnsWithdrawnAddresses)
		if known := v != staleness.Unknown; (len(proof) == 3) != known || len(proof) != 0 && !known {
			t.Errorf("%s: %q", v, proof)
		}
	}
}

func TestAddressInfo(t *testing.T) {
	r := resolved(office, cloud6, cloud4, cloud4b, moved, netip.MustParseAddr("::ffff:198.51.100.7"))
	want(t, of(t, atResolver(r), Options{}, dnsAddressInfo))
	want(t, of(t, atResolver(r), Options{MaxAddresses: 2}, dnsAddressInfo), `{address="198.51.100.7"} 1`, `{address="2001:db8:7::7"} 1`)
	want(t, of(t, atResolver(r), Options{MaxAddresses: 2}, dnsAddresses), `{family="ipv4"} 3`, `{family="ipv6"} 1`)
	if n := len(of(t, atResolver(r), Options{MaxAddresses: 8}, dnsAddressInfo)); n != 4 {
		t.Errorf("%d addresses, want 4", n)
	}
}

func TestSeriesUnique(t *testing.T) {
	h := report.Host{
		Endpoint: endpoint("s", "h", measurement.Device, tcp(1)),
		Resolvers: []report.Resolver{
			resolved(office, cloud4, cloud4), resolved(office, cloud4b), resolved(netip.AddrPort{}, cloud4), resolved(netip.AddrPort{}, cloud4),
		},
		Paths: []report.Path{path(tcp(1), 1, 0, goodWalk(measurement.TCP, cloud4, 1)), path(tcp(1), 2, 0)},
	}
	rep := &report.Report{Started: noon, Finished: noon, Hosts: []report.Host{h, h}}
	histograms := histogramsOf(rep)
	check(t, New(rep, Options{MaxAddresses: 8, Histograms: histograms}))
}

func TestEmptyReport(t *testing.T) {
	check(t, New(&report.Report{Hosts: []report.Host{{Endpoint: &config.Endpoint{}}}}, Options{MaxAddresses: 8, Histograms: NewHistograms()}))
	for _, line := range samples(expose(t, New(&report.Report{}, Options{}))) {
		if !strings.HasSuffix(line, " 0") {
			t.Errorf("%s, though nothing is known", line)
		}
	}
}

func TestCipherAndVersionNames(t *testing.T) {
	for c, want := range map[uint16]string{
		0xc0ae: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
		0xc02b: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
		0x002f: "TLS_RSA_WITH_AES_128_CBC_SHA",
		0xc0af: "0xC0AF",
	} {
		if got := cipherName(c); got != want {
			t.Errorf("suite %#04x is %q, want %q", c, got, want)
		}
	}
	for v, want := range map[uint16]string{0x0303: "TLS 1.2", 0x0304: "TLS 1.3", 0xfefd: "DTLS 1.2", 0xfefc: "0xFEFC"} {
		if got := devicetls.VersionName(v); got != want {
			t.Errorf("version %#04x is %q, want %q", v, got, want)
		}
	}
}

func TestReloads(t *testing.T) {
	r := NewReloads()
	want(t, samples(expose(t, registered(t, r))))
	r.Failed()
	want(t, samples(expose(t, registered(t, r))), "endpoint_exporter_config_last_reload_successful 0")
	r.Succeeded(time.Unix(1000, 0))
	r.Failed()
	want(t, samples(expose(t, registered(t, r))), "endpoint_exporter_config_last_reload_success_timestamp_seconds 1000", "endpoint_exporter_config_last_reload_successful 0")
	r.Succeeded(time.Unix(2000, 0))
	want(t, samples(expose(t, registered(t, r))), "endpoint_exporter_config_last_reload_success_timestamp_seconds 2000", "endpoint_exporter_config_last_reload_successful 1")
}
