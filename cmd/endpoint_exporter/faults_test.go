package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// faultCase is a fault of the lab on every path that can have it, and what the metrics show besides reason and class.
type faultCase struct {
	fault string // with its argument; "": the name
	check func(t *testing.T, x exposition, p lab.Place, labels []string)
	host  string // the service that the lab is limited to; "": all
}

// TestExporterUnderEveryFault sets every fault of the lab on every path that can have it and compares the reason, the
// class and the metrics with those expected, from the configuration file to the exposition.
func TestExporterUnderEveryFault(t *testing.T) {
	cases := map[string]faultCase{
		lab.NoPong:        {"", neverPongs, ""},
		lab.DropFirst:     {"", sentAgain, ""},
		lab.Slow:          {"slow:40ms", slowed, ""},
		lab.NATForgets:    {"", nil, ""},
		lab.Alert:         {"alert:70", nil, ""},
		lab.Intercept:     {"", intercepted, ""},
		lab.ForgedIssuer:  {"", notAuthentic, ""},
		lab.Replay:        {"", notAuthentic, ""},
		lab.Expired:       {"", authentic, ""},
		lab.NotYetValid:   {"", authentic, ""},
		lab.Silence:       {"", connectedOnly, ""},
		lab.None:          {"", carried, ""},
		lab.Fragments:     {"", carried, ""},
		lab.Duplicate:     {"", carried, ""},
		lab.Reorder:       {"", carried, ""},
		lab.Refuse:        {"", neverConnected, ""},
		lab.Drop:          {"", neverConnected, ""},
		lab.NoAnswerAfter: {"", cookieOnly, ""},

		lab.DropConnectionIDs: {"", neverFinished, ""},

		lab.RefuseCertificate: {"", neverFinished, ""},

		lab.InterceptNegativeSerial: {"", intercepted, ""},
		lab.SelfSigned:              {"", notAuthentic, ""},
		// On a host with UDP, the other path decides: see TestSessionsEndedAfterCertificate.
		lab.CloseAfterCertificate: {"", unproven, "tcp-lwm2m"},
		lab.ResetAfterCertificate: {"", unproven, "tcp-lwm2m"},
	}
	for _, f := range lab.Faults() {
		test := cases[f.Name]
		if test.fault == "" {
			test.fault = f.Name
		}
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				l := labtest.Start(t, lab.Options{Hosts: hostsOf(test.host), Network: network})
				if err := l.Set("*", test.fault); err != nil {
					t.Fatal(err)
				}
				x := scrape(t, startExporterOn(t, network, l.Config()))
				for _, p := range l.Places() {
					labels := pathLabels(p)
					checkVerdict(t, x, p, labels)
					if test.check != nil && (p.Fault != lab.None || f.Name == lab.None) {
						test.check(t, x, p, labels)
					}
				}
			})
		})
	}
}

// hostsOf lists the lab's hosts of a service; "": all.
func hostsOf(service string) []lab.Host {
	return slices.DeleteFunc(lab.Izuma(), func(h lab.Host) bool { return service != "" && h.Service != service })
}

func pathLabels(p lab.Place) []string {
	return []string{
		fmt.Sprintf("service=%q", p.Host.Service), fmt.Sprintf("host=%q", p.Host.Name),
		fmt.Sprintf("transport=%q", p.Path.Transport), fmt.Sprintf("port=\"%d\"", p.Address.Port()),
	}
}

// checkVerdict compares a path's state and failures with those that its fault causes.
func checkVerdict(t *testing.T, x exposition, p lab.Place, labels []string) {
	t.Helper()
	up, ok := x.one("endpoint_path_up", labels...)
	if !ok || (up == 1) != (p.Verdict.Reason == "") {
		t.Errorf("%v: path_up %v (%v), want reason %q", labels, up, ok, p.Verdict.Reason)
	}
	failures := x.of("endpoint_path_failure", labels...)
	failed := 0
	if p.Verdict.Reason != "" {
		failed = 1
		count, ok := x.one("endpoint_path_failure", append(labels, fmt.Sprintf("reason=%q", p.Verdict.Reason), fmt.Sprintf("class=%q", p.Verdict.Class))...)
		if !ok || count != 1 {
			t.Errorf("%v: want %q (%s) of 1 address, got %v", labels, p.Verdict.Reason, p.Verdict.Class, failures)
		}
	}
	if len(failures) != failed {
		t.Errorf("%v: failures %v, want %q", labels, failures, p.Verdict.Reason)
	}
	for result, want := range map[string]float64{"ok": float64(1 - failed), "failed": float64(failed), "omitted": 0} {
		if got, ok := x.one("endpoint_path_addresses", append(labels, fmt.Sprintf("result=%q", result))...); !ok || got != want {
			t.Errorf("%v: %v addresses %s (%v), want %v", labels, got, result, ok, want)
		}
	}
	for result, want := range map[string]float64{"ok": float64(1 - failed), "failed": float64(failed)} {
		if got, ok := x.one("endpoint_path_attempts_total", append(labels, fmt.Sprintf("result=%q", result))...); !ok || got != want {
			t.Errorf("%v: %v attempts %s (%v), want %v", labels, got, result, ok, want)
		}
	}
}

// phases checks that the given phases ran, and no others.
func phases(t *testing.T, x exposition, labels []string, want ...string) {
	t.Helper()
	for _, phase := range []string{"connect", "hello", "finish", "ping"} {
		took, ran := x.one("endpoint_path_duration_seconds", append(labels, fmt.Sprintf("phase=%q", phase))...)
		if ran != slices.Contains(want, phase) || ran && took <= 0 {
			t.Errorf("%v: phase %s ran %v (%v s), want %v", labels, phase, ran, took, want)
		}
	}
}

// full lists the phases of a path that carries its client.
func full(p lab.Place) []string {
	switch {
	case p.Host.Web:
		return []string{"connect", "hello"}
	case p.Path.Transport == "udp":
		return []string{"hello", "finish", "ping"}
	}
	return []string{"connect", "hello", "finish", "ping"}
}

func carried(t *testing.T, x exposition, p lab.Place, labels []string) {
	phases(t, x, labels, full(p)...)
	authentic(t, x, p, labels)
	checkFinished(t, x, labels, 1)
	if coap, ok := x.one("endpoint_coap_up", labels...); !p.Host.Web && (!ok || coap != 1) {
		t.Errorf("%v: coap_up %v (%v)", labels, coap, ok)
	}
	if count, ok := x.one("endpoint_handshake_duration_seconds", labels...); !ok || count != 1 {
		t.Errorf("%v: %v handshakes in the histogram (%v)", labels, count, ok)
	}
}

func neverPongs(t *testing.T, x exposition, p lab.Place, labels []string) {
	if coap, ok := x.one("endpoint_coap_up", labels...); !ok || coap != 0 {
		t.Errorf("%v: coap_up %v (%v)", labels, coap, ok)
	}
	phases(t, x, labels, slices.DeleteFunc(full(p), func(phase string) bool { return phase == "ping" })...)
}

func neverFinished(t *testing.T, x exposition, p lab.Place, labels []string) {
	phases(t, x, labels, slices.DeleteFunc(full(p), func(phase string) bool { return phase == "ping" || phase == "finish" })...)
	authentic(t, x, p, labels)
	checkFinished(t, x, labels, 0)
	if p.Fault == lab.RefuseCertificate {
		checkUnproven(t, x, labels, 0) // an alert is a refusal
	}
	if len(x.of("endpoint_coap_up", labels...)) != 0 {
		t.Errorf("%v: coap_up without a session", labels)
	}
}

func unproven(t *testing.T, x exposition, p lab.Place, labels []string) {
	neverFinished(t, x, p, labels)
	checkUnproven(t, x, labels, 1)
}

func checkUnproven(t *testing.T, x exposition, labels []string, want float64) {
	t.Helper()
	if got, ok := x.one("endpoint_path_unproven", labels...); !ok || got != want {
		t.Errorf("%v: path_unproven %v (%v), want %v", labels, got, ok, want)
	}
}

func sentAgain(t *testing.T, x exposition, _ lab.Place, labels []string) {
	if again, ok := x.one("endpoint_udp_retransmissions", labels...); !ok || again < 1 {
		t.Errorf("%v: %v retransmissions (%v)", labels, again, ok)
	}
}

// slowed: 40 ms in each direction are at least 80 ms per phase.
func slowed(t *testing.T, x exposition, _ lab.Place, labels []string) {
	if took, ok := x.one("endpoint_path_duration_seconds", append(labels, `phase="hello"`)...); !ok || took < 0.08 {
		t.Errorf("%v: hello took %v s (%v)", labels, took, ok)
	}
}

func authentic(t *testing.T, x exposition, _ lab.Place, labels []string) {
	checkAuthentic(t, x, labels, 1)
}

func notAuthentic(t *testing.T, x exposition, _ lab.Place, labels []string) {
	checkAuthentic(t, x, labels, 0)
}

func checkAuthentic(t *testing.T, x exposition, labels []string, want float64) {
	t.Helper()
	if got, ok := x.one("endpoint_tls_authentic", labels...); !ok || got != want {
		t.Errorf("%v: tls_authentic %v (%v), want %v", labels, got, ok, want)
	}
	if ends, ok := x.one("endpoint_tls_not_after_timestamp_seconds", labels...); !ok || ends <= 0 {
		t.Errorf("%v: not_after %v (%v)", labels, ends, ok)
	}
}

func intercepted(t *testing.T, x exposition, p lab.Place, labels []string) {
	notAuthentic(t, x, p, labels)
	info := x.of("endpoint_tls_issuer_info", labels...)
	for series := range info {
		if !strings.Contains(series, "SSLInspect") {
			t.Errorf("issuer %s", series)
		}
	}
	if len(info) != 1 {
		t.Errorf("%v: issuers %v", labels, info)
	}
}

func checkFinished(t *testing.T, x exposition, labels []string, want float64) {
	t.Helper()
	if got, ok := x.one("endpoint_path_finished", labels...); !ok || got != want {
		t.Errorf("%v: path_finished %v (%v), want %v", labels, got, ok, want)
	}
}

func connectedOnly(t *testing.T, x exposition, _ lab.Place, labels []string) {
	if len(x.of("endpoint_path_finished", labels...)) != 0 {
		t.Errorf("%v: path_finished though it was not attempted", labels)
	}
	phases(t, x, labels, "connect")
}

func neverConnected(t *testing.T, x exposition, _ lab.Place, labels []string) { phases(t, x, labels) }

func cookieOnly(t *testing.T, x exposition, p lab.Place, labels []string) {
	phases(t, x, labels)
	if first, ok := x.one("endpoint_path_first_reply_seconds", labels...); !ok || first <= 0 {
		t.Errorf("%v: the cookie came after %v s (%v)", labels, first, ok)
	}
}

// TestExporterUnderResolverFaults does the same for faults of the site's DNS server.
func TestExporterUnderResolverFaults(t *testing.T) {
	public := func(config string) string { return strings.ReplaceAll(config, "addresses: any", "addresses: public") }
	for name, test := range map[string]struct {
		habit         string
		config        func(string) string
		reason, class string
		failure       string // of the look-up
	}{
		"unknown name: nxdomain":            {habit: "nxdomain", reason: "dns_failed", class: "dns", failure: "nxdomain"},
		"server cannot resolve: servfail":   {habit: "servfail", reason: "dns_failed", class: "dns", failure: "servfail"},
		"server does not answer: timeout":   {habit: "silent", reason: "dns_failed", class: "dns", failure: "timeout"},
		"private address: sinkhole":         {habit: "sinkhole:10.66.66.66", config: public, reason: "sinkhole", class: "interception"},
		"address of this machine: sinkhole": {config: public, reason: "sinkhole", class: "interception"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				l := labtest.Start(t, lab.Options{Network: network})
				if test.habit != "" {
					if err := l.Set("resolver", test.habit); err != nil {
						t.Fatal(err)
					}
				}
				config := l.Config()
				if test.config != nil {
					config = test.config(config)
				}
				x := scrape(t, startExporterOn(t, network, config))
				for _, p := range l.Places() {
					labels := pathLabels(p)
					if up, ok := x.one("endpoint_path_up", labels...); !ok || up != 0 {
						t.Errorf("%v: path_up %v (%v)", labels, up, ok)
					}
					want := append(labels, fmt.Sprintf("reason=%q", test.reason), fmt.Sprintf("class=%q", test.class))
					if n, ok := x.one("endpoint_path_failure", want...); !ok || n != 1 {
						t.Errorf("%v: failures %v", want, x.of("endpoint_path_failure", labels...))
					}
					if test.failure != "" {
						if up, ok := x.one("endpoint_dns_up", labels[:2]...); !ok || up != 0 {
							t.Errorf("%v: dns_up %v (%v)", labels, up, ok)
						}
						if n, ok := x.one("endpoint_dns_failure", append(labels[:2:2], fmt.Sprintf("reason=%q", test.failure))...); !ok || n != 1 {
							t.Errorf("%v: %v", labels, x.of("endpoint_dns_failure"))
						}
					}
				}
			})
		})
	}
}

func TestRefusedClientCertificate(t *testing.T) {
	for name, test := range map[string]struct{ configured, failed bool }{
		"configured certificate: failure":    {true, true},
		"throw-away certificate: no failure": {false, false},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				l := labtest.Start(t, lab.Options{Network: network})
				if err := l.Set("*", lab.RefuseCertificate); err != nil {
					t.Fatal(err)
				}
				config := l.Config()
				if test.configured {
					certFile, keyFile := clientPair(t, l)
					config += fmt.Sprintf("client_certificate: {cert_file: %q, key_file: %q}\n", certFile, keyFile)
				}
				x := scrape(t, startExporterOn(t, network, config))
				for _, p := range l.Places() {
					if p.Host.Web {
						continue
					}
					labels := append(pathLabels(p), `reason="certificate_refused"`, `class="server"`)
					if n, ok := x.one("endpoint_path_failure", labels...); ok != test.failed || test.failed && n != 1 {
						t.Errorf("%v: %v", labels, x.of("endpoint_path_failure", labels[:4]...))
					}
				}
			})
		})
	}
}

// TestSessionsEndedAfterCertificate ends sessions after the client certificate without an alert. Memory has no
// TCP_INFO: whether the server received the certificate is not known.
func TestSessionsEndedAfterCertificate(t *testing.T) {
	type set struct{ where, fault string }
	for name, test := range map[string]struct {
		service    string
		faults     []set
		configured bool
		twoHosts   bool   // the service has a second host
		reason     string // of the TCP paths with a fault
		unproven   bool
		code       int // of check
		patterns   []string
	}{
		"RST on every path: not proved": {
			service: "tcp-lwm2m", faults: []set{{"*", lab.ResetAfterCertificate}}, unproven: true, code: exitUnknown,
			patterns: []string{`\. Not proved: none of the 2 paths is proved to carry a device`, ` \? tcp \d+ .*not proved: the connection was reset after the client certificate`,
				`set client_certificate to a device's certificate`},
		},
		"RST, the other path finishes: reset": {
			service: "tcp-lwm2m", faults: []set{{"tcp-lwm2m/tcp:5684", lab.ResetAfterCertificate}}, reason: "reset", code: exitUnhealthy,
			patterns: []string{`\. Something is wrong: 1 of 2 paths carries a device \(1 blocked\)`, `FAIL .* reset: the connection was reset after the client certificate`,
				`Handshake stopped: the server answers the hello .* whether a firewall`},
		},
		"FIN, the other path refuses the certificate with an alert: closed": {
			service: "tcp-lwm2m", faults: []set{{"tcp-lwm2m/tcp:5684", lab.CloseAfterCertificate}, {"tcp-lwm2m/tcp:443", lab.RefuseCertificate}},
			reason: "closed", code: exitUnhealthy, patterns: []string{`FAIL .* closed: the connection ended after the client certificate`},
		},
		"FIN over TCP, UDP finishes: closed": {
			service: "bootstrap", faults: []set{{"*/tcp", lab.CloseAfterCertificate}}, reason: "closed", code: exitUnhealthy,
			patterns: []string{`\. Something is wrong: 1 of 3 paths carries a device \(2 blocked\)`},
		},
		"RST on every path of a host, another host of the service finishes: reset": {
			service: "tcp-lwm2m", faults: []set{{"tcp-lwm2m." + lab.Domain, lab.ResetAfterCertificate}}, twoHosts: true, reason: "reset", code: exitUnhealthy,
			patterns: []string{`\. Something is wrong: 2 of 4 paths carry a device \(2 blocked\)`},
		},
		"RST after a device's own certificate: reset": {
			service: "tcp-lwm2m", faults: []set{{"*", lab.ResetAfterCertificate}}, configured: true, reason: "reset", code: exitUnhealthy,
			patterns: []string{`after the configured client certificate, without a TLS alert`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				hosts := hostsOf(test.service)
				if test.twoHosts {
					hosts = append(hosts, hosts[0])
					hosts[1].Name = "second." + lab.Domain
				}
				l := labtest.Start(t, lab.Options{Hosts: hosts, Network: network})
				for _, f := range test.faults {
					if err := l.Set(f.where, f.fault); err != nil {
						t.Fatal(err)
					}
				}
				config := l.Config()
				if test.configured {
					certFile, keyFile := clientPair(t, l)
					config += fmt.Sprintf("client_certificate: {cert_file: %q, key_file: %q}\n", certFile, keyFile)
				}
				x := scrape(t, startExporterOn(t, network, config))
				for _, p := range l.Places() {
					if p.Fault != lab.CloseAfterCertificate && p.Fault != lab.ResetAfterCertificate {
						continue
					}
					labels := pathLabels(p)
					up := map[bool]float64{true: 1, false: 0}[test.unproven]
					if got, ok := x.one("endpoint_path_up", labels...); !ok || got != up {
						t.Errorf("%v: path_up %v (%v), want %v", labels, got, ok, up)
					}
					checkFinished(t, x, labels, 0)
					checkUnproven(t, x, labels, up)
					failures := x.of("endpoint_path_failure", labels...)
					if n, _ := x.one("endpoint_path_failure", append(labels, fmt.Sprintf("reason=%q", test.reason), `class="blocked"`)...); (n == 1) == test.unproven || len(failures) != int(1-up) {
						t.Errorf("%v: %v, want %q", labels, failures, test.reason)
					}
					if n, ok := x.one("endpoint_path_attempts_total", append(labels, `result="ok"`)...); !ok || n != up {
						t.Errorf("%v: %v good attempts (%v)", labels, n, ok)
					}
				}
				checkCommand(t, network.Dial, config, check{}, test.code, test.patterns, nil)
			})
		})
	}
}

// TestOneBadAddressOfEight intercepts one address of a host: the last one, which a device would not take first.
func TestOneBadAddressOfEight(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:1], Addresses: 8, Network: network})
		host := l.Places()[0].Host
		last := l.AddressesOf(host.Name)[7]
		if err := l.Set(fmt.Sprintf("%s@%s/tcp", host.Name, last), lab.Intercept); err != nil {
			t.Fatal(err)
		}
		x := scrape(t, startExporterOn(t, network, l.Config()))
		for _, p := range l.Places() {
			if p.Address.Addr() != last || p.Path.Transport != "tcp" {
				continue
			}
			labels := pathLabels(p)
			if n, ok := x.one("endpoint_path_failure", append(labels, `reason="wrong_issuer"`)...); !ok || n != 1 {
				t.Errorf("failures %v", x.of("endpoint_path_failure", labels...))
			}
			if n, ok := x.one("endpoint_path_addresses", append(labels, `result="ok"`)...); !ok || n != 7 {
				t.Errorf("addresses %v", x.of("endpoint_path_addresses", labels...))
			}
			if up, ok := x.one("endpoint_path_up", labels...); !ok || up != 1 {
				t.Errorf("path_up %v (%v), though a device takes another address", up, ok)
			}
		}
	})
}

// TestShortScrape scrapes within 0.4 s a site where half of the paths are silent, and then with enough time.
func TestShortScrape(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := labtest.Start(t, lab.Options{Network: network})
		if err := l.Set("*/tcp", lab.Silence); err != nil {
			t.Fatal(err)
		}
		e := startExporterOn(t, network, l.Config())
		started := time.Now()
		code, body := get(t, e, http.MethodGet, "/metrics", timeoutHeader, "0.4")
		x := parseExposition(t, body)
		if took := time.Since(started); code != http.StatusOK || took > 400*time.Millisecond {
			t.Errorf("a scrape with 0.4 s: %d after %v", code, took)
		}
		cut := 0.0
		for _, p := range l.Places() {
			labels := pathLabels(p)
			if p.Path.Transport != "tcp" {
				continue
			}
			cut++
			if len(x.of("endpoint_path_up", labels...)) != 0 {
				t.Errorf("%v: path_up of a path that was cut off", labels)
			}
			if n, ok := x.one("endpoint_path_failure", append(labels, `reason="out_of_time"`, `class="survey"`)...); !ok || n != 1 {
				t.Errorf("%v: %v", labels, x.of("endpoint_path_failure", labels...))
			}
		}
		if n, ok := x.one("endpoint_survey_incomplete_paths"); !ok || n < cut {
			t.Errorf("%v incomplete paths, want at least %v", n, cut)
		}
		y := scrape(t, e)
		for _, p := range l.Places() {
			if p.Path.Transport != "tcp" {
				continue
			}
			if n, ok := y.one("endpoint_path_failure", append(pathLabels(p), `reason="silent"`)...); !ok || n != 1 {
				t.Errorf("with enough time: %v", y.of("endpoint_path_failure", pathLabels(p)...))
			}
		}
	})
}

// clientPair writes a client certificate of the lab's own, as a site would configure one.
func clientPair(t testing.TB, l *lab.Lab) (certFile, keyFile string) {
	t.Helper()
	return clientPairOf(t, l.Mint)
}

func clientPairOf(t testing.TB, mint *lab.Mint) (certFile, keyFile string) {
	t.Helper()
	pair, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "device"})
	if err != nil {
		t.Fatal(err)
	}
	chain, key, err := lab.PEM(pair)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("device.pem", chain), write("device.key", key)
}
