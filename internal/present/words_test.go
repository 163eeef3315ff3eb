package present

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// checkSentence tests what holds for every text: it is put together completely, and no text is given twice.
func checkSentence(t *testing.T, about, text string, seen map[string]string) {
	t.Helper()
	switch {
	case text == "":
		t.Errorf("%s: no text", about)
	case strings.Contains(text, "  ") || strings.Contains(text, "%!") || strings.Contains(text, " .") || strings.Contains(text, " ,") || strings.ContainsAny(text, "{}"):
		t.Errorf("%s: badly put together: %s", about, text)
	}
	if other, taken := seen[text]; taken {
		t.Errorf("%s and %s have the same text: %s", other, about, text)
	}
	seen[text] = about
}

func TestFindingTextCoversEveryReason(t *testing.T) {
	seen := make(map[string]string)
	for _, info := range reason.All() {
		f := report.Finding{
			Reason: info.Reason, Advice: info.Advice, Phase: measurement.Hello, Client: measurement.Device, Transport: measurement.TCP,
			Address: netip.MustParseAddr("10.0.0.1"), Certificate: report.Certificate{Issuer: inspector, Subject: "CN=cloud", Expected: bootstrap},
		}
		text := FindingText(&f)
		checkSentence(t, string(info.Reason), text, seen)
		if text == string(info.Reason) {
			t.Errorf("%s has no words", info.Reason)
		}
	}
	if text := FindingText(&report.Finding{}); text != "" {
		t.Errorf("a path that carries a device: %q", text)
	}
}

func TestFindingText(t *testing.T) {
	wire := func(r reason.Reason, change func(*report.Finding)) report.Finding {
		info := r.Info()
		f := report.Finding{Reason: r, Advice: info.Advice, Phase: measurement.Hello, Client: measurement.Device, Transport: measurement.TCP}
		change(&f)
		return f
	}
	for _, tt := range []struct {
		name    string
		finding report.Finding
		want    string
	}{
		{"another issuer", wire(reason.WrongIssuer, func(f *report.Finding) { f.Certificate = report.Certificate{Issuer: inspector, Expected: bootstrap} }),
			`signed by "SSLInspect" (O=Example Corp), not by "ARM Bootstrap CA"`},
		{"an issuer with the expected CN", wire(reason.WrongIssuer, func(f *report.Finding) {
			f.Certificate = report.Certificate{Issuer: "O=Other, CN=ARM Bootstrap CA", Expected: bootstrap}
		}), `signed by "O=Other, CN=ARM Bootstrap CA", not by "` + bootstrap + `"`},
		{"an issuer that hides another CN in its organisation", wire(reason.WrongIssuer, func(f *report.Finding) {
			f.Certificate = report.Certificate{Issuer: `CN=Box, O=x\, CN=ARM Bootstrap CA`, Expected: bootstrap}
		}), `signed by "Box" (O=x, CN=ARM Bootstrap CA), not by "ARM Bootstrap CA"`},
		{"an issuer without a name", wire(reason.WrongIssuer, func(f *report.Finding) { f.Certificate = report.Certificate{Expected: "a public web authority"} }),
			"signed by an unnamed issuer, not by a public web authority"},
		{"the browser's hello decides", wire(reason.WrongIssuer, func(f *report.Finding) {
			f.Certificate = report.Certificate{Issuer: inspector, Expected: bootstrap}
			f.Client, f.DeviceResult = measurement.Web, reason.Reset
		}), `signed by "SSLInspect" (O=Example Corp), not by "ARM Bootstrap CA"; the device's own hello failed (reset)`},
		{"another site's server", wire(reason.Reset, func(f *report.Finding) {
			f.Advice, f.Other = reason.CheckAddress, report.Certificate{Issuer: "CN=Web CA", Subject: "CN=tenant"}
		}), `RST after the device's hello; a browser's hello gets another server's certificate, for "tenant", signed by "Web CA"`},
		{"another owner of a withdrawn address", wire(reason.DeviceUnfit, func(f *report.Finding) {
			f.Advice, f.Other = reason.CheckAddress, report.Certificate{Issuer: "CN=appliance", Subject: "CN=appliance"}
		}), `another server answers, with a certificate for "appliance", signed by "appliance", at an address that the zone has withdrawn`},
		{"a root of this machine", wire(reason.WrongIssuer, func(f *report.Finding) {
			f.Certificate = report.Certificate{Issuer: inspector, Expected: bootstrap, Detail: measurement.Detail{Kind: measurement.DetailTrustMachineRoot}}
		}), `signed by "SSLInspect" (O=Example Corp), not by "ARM Bootstrap CA"; this machine trusts that signer, devices do not`},
		{"silence, with its detail", wire(reason.Silent, func(f *report.Finding) { f.Detail.Text = "no answer to the device's hello (sent twice)" }),
			"no answer to the device's hello (sent twice)"},
		{"silence in the finish", wire(reason.Silent, func(f *report.Finding) { f.Phase = measurement.Finish }), "no answer to the client's last handshake messages"},
		{"not DTLS", wire(reason.NotTLS, func(f *report.Finding) { f.Transport = measurement.UDP }), "the answer to the device's hello is not valid DTLS"},
		{"this machine failed", wire(reason.OutOfTime, func(f *report.Finding) { f.Advice, f.Detail.Text = reason.CheckThisMachine, "no socket" }),
			"this machine could not probe the path: no socket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := FindingText(&tt.finding); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// requestsByAdvice returns what each kind of advice asks the network's owner for.
func requestsByAdvice() map[reason.Advice]reason.Request {
	out := make(map[reason.Advice]reason.Request)
	for _, info := range reason.Requests() {
		for _, kind := range info.Advice {
			out[kind] = info.Request
		}
	}
	return out
}

func TestTaskCoversEveryAdvice(t *testing.T) {
	server := report.ResolverSummary{
		Server: resolver, Asked: 2, Failures: []measurement.DNSFailure{measurement.DNSNXDomain}, Failing: []string{"a.test", "b.test"}, OnlyHere: []string{"a.test"},
	}
	place := func(host string) report.Place {
		return report.Place{Host: host, Paths: []measurement.Path{{Transport: measurement.TCP, Port: 5684}}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
	}
	for _, places := range [][]report.Place{{place("a.test")}, {place("a.test"), place("b.test")}} {
		seen := make(map[string]string)
		for kind, asks := range requestsByAdvice() {
			a := report.Advice{
				Kind: kind, Places: places, Paths: len(places), Resolvers: []report.ResolverSummary{server},
				Certificate: report.Certificate{Issuer: inspector, Subject: "CN=cloud", Expected: bootstrap},
				Proxy:       report.Proxy{Variable: "HTTPS_PROXY", Address: "proxy.example:3128"},
				Staleness:   &staleness.Assessment{Verdict: staleness.Stale, Why: staleness.Why{Kind: staleness.WhyTTLInflated, TTL: time.Hour, ZoneTTL: time.Minute}}, Lost: time.Minute, Keepalive: 2 * time.Minute,
			}
			got := task(&a)
			checkSentence(t, string(kind), got.Text, seen)
			if last := got.Text[max(0, len(got.Text)-1):]; last != "." && (last != ":" || len(got.For) == 0) {
				t.Errorf("%s ends with %q: %s", kind, last, got.Text)
			}
			for _, r := range request(asks, []report.Advice{a}) {
				checkSentence(t, "request "+string(asks), r.Text, make(map[string]string))
				if len(r.For) == 0 {
					t.Errorf("request %s is about nothing", asks)
				}
			}
		}
	}
}

func TestTaskNamesStalenessVerdict(t *testing.T) {
	for verdict, want := range map[staleness.Verdict]string{
		staleness.Stale:   "DNS server 192.0.2.53 is proved to keep records past their TTL: for a.test it gives ",
		staleness.Suspect: "DNS server 192.0.2.53 is suspected of keeping records past their TTL: for a.test it gives ",
		staleness.Unknown: "DNS server 192.0.2.53 is suspected of keeping records past their TTL: for a.test it gives ", // of a withdrawn address that fails
	} {
		got := task(&report.Advice{
			Kind: reason.StopStaleRecords, Places: []report.Place{{Host: "a.test"}}, Resolvers: []report.ResolverSummary{{Server: netip.MustParseAddrPort("192.0.2.53:53")}},
			Staleness: &staleness.Assessment{Verdict: verdict, Why: staleness.Why{Kind: staleness.WhyWithdrawnAddressOnce, Value: "192.0.2.1"}},
		}).Text
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", verdict, got)
		}
	}
}

func TestTaskNamesBrokenFamily(t *testing.T) {
	place := report.Place{
		Host: "a.test", Paths: []measurement.Path{{Transport: measurement.TCP, Port: 5684}}, Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::1")},
		Passing: []measurement.Path{{Transport: measurement.TCP, Port: 443}},
	}
	for family, want := range map[config.IPVersion]string{
		config.IPv6: "IPv6 is broken: over IPv6 nothing passes on TCP 5684 to a.test (2001:db8::1), over IPv4 everything does. Devices that connect over IPv6 " +
			"stay offline. Ask the network's owner to repair IPv6, or to have DNS give no AAAA record for the host. Until then, set the devices to " +
			"TCP 443, which passes.",
		config.IPv4: "IPv4 is broken: over IPv4 nothing passes on TCP 5684 to a.test (2001:db8::1), over IPv6 everything does. Devices that connect over IPv4 " +
			"stay offline. Ask the network's owner to repair IPv4, or to have DNS give no A record for the host. Until then, set the devices to " +
			"TCP 443, which passes.",
	} {
		if got := task(&report.Advice{Kind: reason.RepairFamily, Family: family, Paths: 1, Places: []report.Place{place}}).Text; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestCauseTextCoversEveryCause(t *testing.T) {
	seen := make(map[string]string)
	for _, c := range closedlist.Constants(t, "../report", "Cause") {
		r := &report.Report{Hosts: make([]report.Host, 2), Summary: report.Summary{
			Cause: report.Cause(c), Resolvers: []report.ResolverSummary{{Server: resolver, Failures: []measurement.DNSFailure{measurement.DNSTimeout}}},
		}}
		if r.Summary.Cause != report.CauseNone {
			checkSentence(t, c, causeText(r), seen)
		}
	}
}

func TestDNSFailureTextCoversEveryFailure(t *testing.T) {
	seen := make(map[string]string)
	for _, f := range closedlist.Constants(t, "../measurement", "DNSFailure") {
		if measurement.DNSFailure(f) != measurement.DNSOK {
			checkSentence(t, f, dnsFailureText[measurement.DNSFailure(f)], seen)
		}
	}
}

func TestVerdictText(t *testing.T) {
	for _, tt := range []struct {
		name    string
		summary report.Summary
		want    string
	}{
		{"all is well", report.Summary{State: report.Up, Paths: report.PathCount{All: 3, Up: 3}}, "All is well: all 3 paths carry a device"},
		{"a suspicion", report.Summary{State: report.Up, Suspected: true, Paths: report.PathCount{All: 1, Up: 1}, Resolvers: []report.ResolverSummary{{Server: resolver, Suspect: true}}},
			"Nothing is proved wrong: the path carries a device; DNS server 192.168.7.1 is suspected of keeping records past their TTL"},
		{"nothing known", report.Summary{State: report.Unknown, Paths: report.PathCount{All: 2, Unknown: 2}}, "Not all is known: none of the 2 paths was probed to its end"},
		{"nothing proved", report.Summary{State: report.Unknown, Paths: report.PathCount{All: 2, Unproven: 2}}, "Not proved: none of the 2 paths is proved to carry a device"},
		{"one path not proved", report.Summary{State: report.Unknown, Paths: report.PathCount{All: 3, Up: 2, Unproven: 1}}, "Not proved: 2 of 3 paths carry a device (1 not proved)"},
		{"the only path not proved", report.Summary{State: report.Unknown, Paths: report.PathCount{All: 1, Unproven: 1}}, "Not proved: the path is not proved to carry a device"},
		{"failures by class", report.Summary{State: report.Down, Paths: report.PathCount{
			All: 5, Up: 1, PartlyUp: 1, Diverted: 1, ByClass: map[reason.Class]int{reason.Blocked: 1, reason.Interception: 2},
		}}, "Something is wrong: 1 of 5 paths carries a device (1 diverted by DNS, 2 intercepted, 1 blocked); some addresses fail on 1 path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := verdictText(&tt.summary); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestWrapMeasuresColumns(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"narrow characters", "abcd efgh", "abcd efgh"},
		{"wide characters", "漢字 漢字漢", "漢字\n漢字漢"},
		{"a wide word that is too long", "漢字漢字漢字", "漢字漢字\n漢字"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Wrap(tt.text, 9, ""); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestLocalMomentText(t *testing.T) {
	at := time.Date(2026, 11, 12, 21, 15, 2, 0, time.UTC)
	for name, test := range map[string]struct {
		offset time.Duration
		want   string
	}{
		"UTC":              {0, "2026-11-12 21:15:02 UTC"},
		"the same day":     {time.Hour, "2026-11-12 21:15:02 UTC (22:15:02 +01:00 local time)"},
		"the next day":     {5*time.Hour + 30*time.Minute, "2026-11-12 21:15:02 UTC (2026-11-13 02:45:02 +05:30 local time)"},
		"hours behind UTC": {-8 * time.Hour, "2026-11-12 21:15:02 UTC (13:15:02 -08:00 local time)"},
	} {
		if got := localMomentText(at.In(time.FixedZone("site", int(test.offset.Seconds())))); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
