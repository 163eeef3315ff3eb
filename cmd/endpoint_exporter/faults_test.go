package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// atOnce bounds the labs of a fault table that run at a time: they wait for time-outs more than they work, but on a busy
// machine too many would make an answer late that is due in time.
const atOnce = 2

// inflicted is one row of the fault table: a lab with a fault everywhere it can be, and what else it must show.
type inflicted struct {
	fault string
	// also holds a path of the lab against what its fault leaves behind, beside reason and class.
	also func(t *testing.T, x exposition, p lab.Place, labels []string)
}

// TestEveryFaultThroughTheWholeExporter sets every fault of the lab on every path that can have it, and holds the reason,
// the class and the metrics that the exporter exposes against those due: from the configuration file to the exposition.
func TestEveryFaultThroughTheWholeExporter(t *testing.T) {
	rows := map[string]inflicted{
		lab.NoPong:        {"", neverPongs},
		lab.DropFirst:     {"", sentAgain},
		lab.Slow:          {"slow:40ms", slowed},
		lab.NATForgets:    {"", nil},
		lab.Alert:         {"alert:70", nil},
		lab.Intercept:     {"", intercepted},
		lab.ForgedIssuer:  {"", notAuthentic},
		lab.Replay:        {"", notAuthentic},
		lab.Expired:       {"", authentic},
		lab.NotYetValid:   {"", authentic},
		lab.Silence:       {"", connectedOnly},
		lab.None:          {"", carried},
		lab.Fragments:     {"", carried},
		lab.Duplicate:     {"", carried},
		lab.Reorder:       {"", carried},
		lab.Refuse:        {"", neverConnected},
		lab.Drop:          {"", neverConnected},
		lab.NoAnswerAfter: {"", cookieOnly},

		lab.RefuseCertificate: {"", neverFinished},
	}
	var all sync.WaitGroup
	gate := make(chan struct{}, atOnce)
	type result struct {
		places []lab.Place
		x      exposition
	}
	var mu sync.Mutex
	results := make(map[string]result)
	for _, f := range lab.Faults() {
		row := rows[f.Name]
		if row.fault == "" {
			row.fault = f.Name
		}
		gate <- struct{}{}
		all.Go(func() {
			defer func() { <-gate }()
			l := startLab(t, lab.Options{})
			if err := l.Set("*", row.fault); err != nil {
				t.Errorf("%s: %v", row.fault, err)
				return
			}
			x := scrape(t, startExporter(t, l.Config()))
			mu.Lock()
			defer mu.Unlock()
			results[f.Name] = result{l.Places(), x}
		})
	}
	all.Wait()
	for _, name := range slices.Sorted(maps.Keys(results)) {
		t.Run(name, func(t *testing.T) {
			for _, p := range results[name].places {
				labels := pathLabels(p)
				holdDue(t, results[name].x, p, labels)
				if also := rows[name].also; also != nil && p.Fault != "none" || name == lab.None {
					also(t, results[name].x, p, labels)
				}
			}
		})
	}
}

func pathLabels(p lab.Place) []string {
	return []string{
		fmt.Sprintf("service=%q", p.Host.Service), fmt.Sprintf("host=%q", p.Host.Name),
		fmt.Sprintf("transport=%q", p.Path.Transport), fmt.Sprintf("port=\"%d\"", p.Address.Port()),
	}
}

// holdDue holds a path's state and failures against what its fault owes.
func holdDue(t *testing.T, x exposition, p lab.Place, labels []string) {
	t.Helper()
	up, ok := x.one("endpoint_path_up", labels...)
	if !ok || (up == 1) != (p.Due.Reason == "") {
		t.Errorf("%v: path_up %v (%v), due %q", labels, up, ok, p.Due.Reason)
	}
	failures := x.of("endpoint_path_failure", labels...)
	due := 0
	if p.Due.Reason != "" {
		due = 1
		count, ok := x.one("endpoint_path_failure", append(labels, fmt.Sprintf("reason=%q", p.Due.Reason), fmt.Sprintf("class=%q", p.Due.Class))...)
		if !ok || count != 1 {
			t.Errorf("%v: %q (%s) is due of 1 address, got %v", labels, p.Due.Reason, p.Due.Class, failures)
		}
	}
	if len(failures) != due {
		t.Errorf("%v: failures %v, due %q", labels, failures, p.Due.Reason)
	}
	for result, due := range map[string]float64{"ok": float64(1 - due), "failed": float64(due), "omitted": 0} {
		if got, ok := x.one("endpoint_path_addresses", append(labels, fmt.Sprintf("result=%q", result))...); !ok || got != due {
			t.Errorf("%v: %v addresses %s (%v), due %v", labels, got, result, ok, due)
		}
	}
	for result, due := range map[string]float64{"ok": float64(1 - due), "failed": float64(due)} {
		if got, ok := x.one("endpoint_path_attempts_total", append(labels, fmt.Sprintf("result=%q", result))...); !ok || got != due {
			t.Errorf("%v: %v attempts %s (%v), due %v", labels, got, result, ok, due)
		}
	}
}

// phases holds the phases that ran, and no others.
func phases(t *testing.T, x exposition, labels []string, due ...string) {
	t.Helper()
	for _, phase := range []string{"connect", "hello", "finish", "ping"} {
		took, ran := x.one("endpoint_path_duration_seconds", append(labels, fmt.Sprintf("phase=%q", phase))...)
		if ran != slices.Contains(due, phase) || ran && took <= 0 {
			t.Errorf("%v: phase %s ran %v (%v s), due are %v", labels, phase, ran, took, due)
		}
	}
}

// full are the phases of a path that carries its client to the end.
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
	holdFinished(t, x, labels, 1)
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
	holdFinished(t, x, labels, 0)
	if len(x.of("endpoint_coap_up", labels...)) != 0 {
		t.Errorf("%v: coap_up without a session", labels)
	}
}

func sentAgain(t *testing.T, x exposition, _ lab.Place, labels []string) {
	if again, ok := x.one("endpoint_udp_retransmissions", labels...); !ok || again < 1 {
		t.Errorf("%v: %v retransmissions (%v)", labels, again, ok)
	}
}

// slowed: 40 ms each way are at least 80 ms a phase; nothing is said of how much more a busy machine makes of it.
func slowed(t *testing.T, x exposition, _ lab.Place, labels []string) {
	if took, ok := x.one("endpoint_path_duration_seconds", append(labels, `phase="hello"`)...); !ok || took < 0.08 {
		t.Errorf("%v: hello took %v s (%v)", labels, took, ok)
	}
}

func authentic(t *testing.T, x exposition, _ lab.Place, labels []string) {
	holdAuthentic(t, x, labels, 1)
}

func notAuthentic(t *testing.T, x exposition, _ lab.Place, labels []string) {
	holdAuthentic(t, x, labels, 0)
}

func holdAuthentic(t *testing.T, x exposition, labels []string, due float64) {
	t.Helper()
	if got, ok := x.one("endpoint_tls_authentic", labels...); !ok || got != due {
		t.Errorf("%v: tls_authentic %v (%v), due %v", labels, got, ok, due)
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

func holdFinished(t *testing.T, x exposition, labels []string, due float64) {
	t.Helper()
	if got, ok := x.one("endpoint_path_finished", labels...); !ok || got != due {
		t.Errorf("%v: path_finished %v (%v), due %v", labels, got, ok, due)
	}
}

func connectedOnly(t *testing.T, x exposition, _ lab.Place, labels []string) {
	if len(x.of("endpoint_path_finished", labels...)) != 0 {
		t.Errorf("%v: path_finished though it did not come to that", labels)
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

// TestEveryHabitOfTheResolverThroughTheWholeExporter does the same for what DNS servers do to a site.
func TestEveryHabitOfTheResolverThroughTheWholeExporter(t *testing.T) {
	public := func(config string) string { return strings.ReplaceAll(config, "addresses: any", "addresses: public") }
	for name, test := range map[string]struct {
		habit         string
		config        func(string) string
		reason, class string
		failure       string // of the look-up
	}{
		"the name does not exist":         {habit: "nxdomain", reason: "dns_failed", class: "dns", failure: "nxdomain"},
		"the server cannot find out":      {habit: "servfail", reason: "dns_failed", class: "dns", failure: "servfail"},
		"the server does not answer":      {habit: "silent", reason: "dns_failed", class: "dns", failure: "timeout"},
		"the name is led into a sinkhole": {habit: "sinkhole:10.66.66.66", config: public, reason: "sinkhole", class: "interception"},
		"the name is led to this machine": {config: public, reason: "sinkhole", class: "interception"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{})
			if test.habit != "" {
				if err := l.Set("resolver", test.habit); err != nil {
					t.Fatal(err)
				}
			}
			config := l.Config()
			if test.config != nil {
				config = test.config(config)
			}
			x := scrape(t, startExporter(t, config))
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
	}
}

// TestARefusedCertificateIsAFailureOnlyIfItIsTheSites shows a configured pair to servers that refuse every client.
func TestARefusedCertificateIsAFailureOnlyIfItIsTheSites(t *testing.T) {
	l := startLab(t, lab.Options{})
	if err := l.Set("*", lab.RefuseCertificate); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := clientPair(t, l)
	x := scrape(t, startExporter(t, l.Config()+fmt.Sprintf("client_certificate: {cert_file: %q, key_file: %q}\n", certFile, keyFile)))
	for _, p := range l.Places() {
		if p.Host.Web {
			continue
		}
		labels := append(pathLabels(p), `reason="certificate_refused"`, `class="server"`)
		if n, ok := x.one("endpoint_path_failure", labels...); !ok || n != 1 {
			t.Errorf("%v: %v", labels, x.of("endpoint_path_failure", labels[:4]...))
		}
	}
}

// TestOneBadAddressOfEightIsSeen intercepts one address of each host that a device would not take first.
func TestOneBadAddressOfEightIsSeen(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1], Addresses: 8})
	host := l.Places()[0].Host
	last := l.AddressesOf(host.Name)[7]
	if err := l.Set(fmt.Sprintf("%s@%s/tcp", host.Name, last), lab.Intercept); err != nil {
		t.Fatal(err)
	}
	x := scrape(t, startExporter(t, l.Config()))
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
}

// TestAShortScrapeIsKeptAndCutsNothingShortForGood scrapes within 0.4 s a site where half of the paths are silent.
func TestAShortScrapeIsKeptAndCutsNothingShortForGood(t *testing.T) {
	l := startLab(t, lab.Options{})
	if err := l.Set("*/tcp", lab.Silence); err != nil {
		t.Fatal(err)
	}
	e := startExporter(t, l.Config())
	started := time.Now()
	code, body := get(t, e, "GET", "/metrics", timeoutHeader, "0.4")
	x := parseExposition(t, body)
	// The deadline to the millisecond is held in package survey, on a clock that stands still for a busy machine. Here it is
	// enough to tell 0.4 s from the 4 s that two silent hellos take.
	if took := time.Since(started); code != http.StatusOK || took > 4*time.Second {
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
		t.Errorf("%v incomplete paths, at least %v are due", n, cut)
	}
	// The next scrape, with time enough, says silent of the same paths.
	for _, p := range l.Places() {
		if p.Path.Transport == "tcp" {
			y := scrape(t, e)
			if n, ok := y.one("endpoint_path_failure", append(pathLabels(p), `reason="silent"`)...); !ok || n != 1 {
				t.Errorf("%v", y.of("endpoint_path_failure", pathLabels(p)...))
			}
			break
		}
	}
}

// clientPair writes a client certificate of the lab's own, as a site would configure one.
func clientPair(t *testing.T, l *lab.Lab) (certFile, keyFile string) {
	t.Helper()
	pair, err := l.Mint.Bootstrap.Issue(lab.Leaf{CommonName: "device"})
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
