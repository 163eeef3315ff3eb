//go:build realpeers

// Package oracle runs the exporter and a device against the same servers and compares what they find. The device is
// the client of internal/lab/device: Mbed TLS 2.28 with the options of the devices. A path is up exactly when the
// device gets through: its handshake succeeds and it finds nothing wrong with the certificates.
//
// Each row of the table is a server that is odd in one way, or a real one. testdata/verdicts has what the device found
// of each, so that the comparison runs where the device's program cannot be built. testdata/findings has what the
// exporter finds: the reason, the advice and the facts behind them. testdata/differences lists the rows where the
// exporter differs by design, each with the reason.
package oracle

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

var (
	update = flag.Bool("update", false, "write what the device finds to testdata/verdicts, and what the exporter finds to testdata/findings")
	random = flag.Duration("random", 0, "draw servers at random for this long")
)

// TestMain lets many rows run at once: most of them wait. How many may compute is bounded by bench.places.
func TestMain(m *testing.M) {
	labtest.SetParallel(256)
	os.Exit(m.Run())
}

// peer is a row of the table.
type peer struct {
	set  string // certificate, chain, anchor, handshake, …
	name string
	udp  bool
	// serve starts the server; the address is one of loopback's.
	serve      func(t testing.TB, on netip.Addr, udp bool) netip.AddrPort
	script     *script       // of a server of our own; nil: a real one
	ca         []byte        // the authority that the device has stored; nil: the minter's root
	fileOnly   bool          // the anchor cannot be told by its key
	patience   time.Duration // of each phase
	ping       time.Duration // of the device for the answer to its ping
	refuses    bool          // the server refuses the client's certificate
	withoutCID bool          // the device offers no connection id over UDP
}

func (p *peer) row() string {
	transport := "tcp"
	if p.udp {
		transport = "udp"
	}
	return transport + " " + p.set + ": " + p.name
}

// How long either client waits for the server in one phase: longer than a loaded machine takes, and than the first
// retransmission over UDP; less where the device is known to wait until it gives up.
const (
	patience      = 8 * time.Second
	shortPatience = 2 * time.Second
	pingPatience  = time.Second // of an answer that decides nothing, and is not known to come
)

// finding is what came out of one row.
type finding struct {
	device   string            // the line that it printed
	exporter map[string]string // by the form of the anchor: "up", or the reason
	facts    map[string]string // by the form of the anchor: see factsOf
}

// What the exporter finds of a path whose server did not accept the throw-away certificate: the path is up, but
// the handshake was not finished. upUnproven has no proof that it was the server that ended the connection.
const (
	upRefused  = "up, certificate refused"
	upUnproven = "up, unproven"
)

// agree reports whether the exporter's findings are the device's, for every form of the anchor. With a difference by
// design, a form may find that instead; differs is true if one does.
func (f *finding) agree(byDesign difference) (agree, differs bool) {
	for _, exporter := range f.exporter {
		switch {
		case works(f.device) == strings.HasPrefix(exporter, "up"):
		case byDesign.exporter != "" && strings.HasPrefix(exporter, byDesign.exporter):
			differs = true
		default:
			return false, false
		}
	}
	return true, differs
}

// difference is a line of testdata/differences.
type difference struct {
	exporter  string // how the exporter's finding begins
	sometimes bool   // timing decides whether the row differs
}

// sometimes begins the finding of a row whose outcome depends on timing.
const sometimes = "sometimes "

// exporterText is what the exporter found.
func (f *finding) exporterText() string { return ofForms(f.exporter) }

// ofForms is what the two forms of the anchor led to, once if it is the same.
func ofForms(text map[string]string) string {
	if text["file"] == text["key"] || len(text) == 1 {
		return text["file"]
	}
	return ofFile + text["file"] + ofKey + text["key"]
}

// ofFile begins a text that has another part for each form of the anchor, and ofKey its second part.
const (
	ofFile = "ca_file: "
	ofKey  = "; public_key: "
)

// expects reports whether a recorded finding is that of a form of the anchor, or has it among those separated by
// orElse.
func expects(recorded, form, found string) bool {
	if parts, ok := strings.CutPrefix(recorded, ofFile); ok {
		file, key, _ := strings.Cut(parts, ofKey)
		recorded = map[string]string{"file": file, "key": key}[form]
	}
	return slices.Contains(strings.Split(recorded, orElse), found)
}

// factsOf is what the exporter finds of a path, as the constants of its closed lists: the reason and the advice, then
// the details that they rest on. Whether a real server ends the session before the ping is a matter of timing.
func factsOf(p *report.Path, real bool) string {
	f := p.Finding
	var details []string
	add := func(kind string) {
		if kind != "" {
			details = append(details, kind)
		}
	}
	outcome := p.Walks[0].Outcome
	if f.Detail.Kind != measurement.DetailUnfit {
		add(string(f.Detail.Kind))
	}
	if p.Up && (!real || outcome.Detail.Kind != measurement.DetailSessionEnded) {
		add(string(outcome.Detail.Kind))
	}
	add(string(f.Certificate.Detail.Kind))
	if f.DeviceResult != "" {
		add("device: " + string(f.DeviceResult))
	}
	if outcome.TLS != nil {
		for _, u := range outcome.TLS.Unfit {
			add("unfit: " + string(u.Kind))
		}
	}
	text := "up"
	switch {
	case p.Up && p.Unproven:
		text = "up, unproven"
	case p.Up && outcome.Failure == measurement.CertificateNeeded:
		text = "up, certificate refused"
	case !p.Up:
		text = string(f.Reason) + ", " + string(f.Advice)
	}
	if len(details) > 0 {
		text += " (" + strings.Join(slices.Compact(details), ", ") + ")"
	}
	return text
}

// bench is what all rows share.
type bench struct {
	minter   *minter
	pair     tls.Certificate
	device   *device // nil: the recorded verdicts stand in for it
	recorded map[string]string
	findings map[string]string // recorded, of the exporter; either of several is separated by orElse
	places   chan struct{}     // rows that run at once
	// backend is a CoAP server without TLS for the programs that terminate TLS; closed is an address where nothing
	// listens.
	backend, closed string

	mu    sync.Mutex
	ports map[uint16]bool // given to programs
}

func newBench(t *testing.T) *bench {
	t.Helper()
	pair, err := config.NewThrowaway()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{minter: newMinter(time.Now()), pair: pair, recorded: readTable(t, "testdata/verdicts"), findings: readTable(t, "testdata/findings"), places: make(chan struct{}, 32), ports: make(map[uint16]bool)}
	b.backend, b.closed = startBackend(t)
	b.device, err = newDevice(t.TempDir(), pair)
	switch {
	case errors.Is(err, errNoDevice):
		t.Logf("%v: the recorded verdicts are used", err)
	case err != nil:
		t.Fatal(err)
	}
	return b
}

// verdict is the part of a device's line that decides whether it works. Whether the ping is answered in time does not,
// and over UDP it is a matter of luck: a server may receive it before the session is complete on its side.
func verdict(line string) string {
	decided, _, _ := strings.Cut(line, " ping=")
	return decided
}

// isRecorded reports whether a verdict of the device is one that testdata/verdicts has for a row.
func (b *bench) isRecorded(row, line string) bool {
	return line != "" && slices.ContainsFunc(strings.Split(b.recorded[row], orElse), func(one string) bool { return verdict(one) == verdict(line) })
}

// maxRuns bounds how often each of the two is run against one row.
const maxRuns = 3

// try runs both clients against a peer.
func (b *bench) try(t testing.TB, p *peer, on netip.Addr) finding {
	t.Helper()
	ca := p.ca
	if ca == nil {
		ca = b.minter.root
	}
	recorded, _, _ := strings.Cut(b.recorded[p.row()], orElse)
	found := finding{device: recorded, exporter: make(map[string]string), facts: make(map[string]string)}
	if b.device != nil {
		file := t.TempDir() + "/ca.der"
		if err := os.WriteFile(file, ca, 0o600); err != nil {
			t.Fatal(err)
		}
		// A line that differs from the recorded one is measured again: on an overloaded machine an answer can be late.
		for range maxRuns {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			line, err := b.device.connect(ctx, p.serve(t, on, p.udp), p, file)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if found.device = line; b.isRecorded(p.row(), line) {
				break
			}
		}
	}
	forms := []string{"file", "key"}
	if p.fileOnly {
		forms = forms[:1]
	}
	for _, form := range forms {
		anchor := anchorOf(t, form, ca)
		// As with the device, what differs from the recorded finding is measured again, with more patience.
		recorded, known := b.findings[p.row()]
		row := *p
		for range maxRuns {
			found.exporter[form], found.facts[form] = b.find(t, &row, on, anchor)
			if !known || expects(recorded, form, found.facts[form]) {
				break
			}
			row.patience = patience
		}
	}
	return found
}

// find walks a peer and returns what the exporter finds, for people and as facts.
func (b *bench) find(t testing.TB, p *peer, on netip.Addr, anchor string) (text, facts string) {
	t.Helper()
	seen, err := b.walk(t, p, on, anchor)
	switch {
	case err != nil:
		return "refused configuration", "refused configuration"
	case !seen.Known:
		t.Errorf("anchor %s: the exporter has no verdict: %s", anchor, present.FindingText(&seen.Finding))
	case seen.Up && seen.Walks[0].Outcome.Unproven:
		text = upUnproven
	case seen.Up && seen.Walks[0].Outcome.Failure == measurement.CertificateNeeded:
		text = upRefused
	case seen.Up:
		text = "up"
	default:
		text = string(seen.Finding.Reason) + " (" + present.FindingText(&seen.Finding) + ")"
	}
	return text, factsOf(&seen, p.script == nil)
}

// maxWalks bounds how often a walk is repeated that has no verdict because this machine was overloaded.
const maxWalks = 10

// walk runs the exporter against a peer until it has a verdict.
func (b *bench) walk(t testing.TB, p *peer, on netip.Addr, anchor string) (seen report.Path, err error) {
	t.Helper()
	for range maxWalks {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		seen, err = walk(t, ctx, p.serve(t, on, p.udp), p, anchor, b.pair)
		cancel()
		if err != nil || seen.Known {
			break
		}
	}
	return seen, err
}

// TestExporterAgreesWithDevice runs every row of the table. A tenth of them runs over IPv6 too.
func TestExporterAgreesWithDevice(t *testing.T) {
	b := newBench(t)
	rows := b.peers(t)
	differences := b.differences(t)
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")

	var mu sync.Mutex
	verdicts := make(map[string]string)
	findings := make(map[string][]finding)
	disagreements := make(map[string]finding)
	differs := make(map[string]bool)
	t.Run("rows", func(t *testing.T) {
		for n, p := range rows {
			addresses := []netip.Addr{v4}
			if n%10 == 0 {
				addresses = append(addresses, v6)
			}
			for _, on := range addresses {
				t.Run(p.row()+" on "+on.String(), func(t *testing.T) {
					t.Parallel()
					b.places <- struct{}{}
					defer func() { <-b.places }()
					found := b.try(t, p, on)
					t.Logf("device: %s; exporter: %s", found.device, found.exporterText())
					mu.Lock()
					defer mu.Unlock()
					before, twice := verdicts[p.row()]
					decidedByTiming := b.isRecorded(p.row(), before) && b.isRecorded(p.row(), found.device)
					if twice && verdict(before) != verdict(found.device) && !decidedByTiming {
						t.Errorf("device: %s, over another family %s", found.device, before)
					}
					verdicts[p.row()] = found.device
					if p.script != nil || b.device != nil { // elsewhere the programs are of other versions
						findings[p.row()] = append(findings[p.row()], found)
					}
					agree, differing := found.agree(differences[p.row()])
					differs[p.row()] = differs[p.row()] || differing
					if agree {
						return
					}
					disagreements[p.row()] = found
					t.Errorf("device: %s\nexporter: %s", found.device, found.exporterText())
				})
			}
		}
	})
	for row, d := range differences {
		if !differs[row] && !d.sometimes && (b.device != nil || !strings.Contains(row, "Mbed TLS")) {
			t.Errorf("testdata/differences lists a row that agrees or is not in the table: %s", row)
		}
	}
	b.compareRecorded(t, verdicts)
	b.compareFindings(t, findings)
	if b.device != nil { // else some rows are missing
		compareDocument(t, rows, verdicts, differences)
	}
	t.Logf("%d rows, %d disagreements", len(rows), len(disagreements))
	if file := os.Getenv("ORACLE_DISAGREEMENTS"); file != "" {
		var out strings.Builder
		for _, row := range slices.Sorted(maps.Keys(disagreements)) {
			f := disagreements[row]
			fmt.Fprintf(&out, "%s\n\tdevice:   %s\n\texporter: %s\n", row, f.device, f.exporterText())
		}
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// compareRecorded holds the recorded verdicts to be those of the device, row by row, or writes them.
func (b *bench) compareRecorded(t *testing.T, verdicts map[string]string) {
	t.Helper()
	if b.device != nil && *update && !t.Failed() {
		var out strings.Builder
		for _, row := range slices.Sorted(maps.Keys(verdicts)) {
			line := verdicts[row]
			if b.isRecorded(row, line) {
				line = b.recorded[row] // with what else the timing may give
			}
			fmt.Fprintf(&out, "%s\t%s\n", row, line)
		}
		if err := os.WriteFile("testdata/verdicts", []byte(out.String()), 0o644); err != nil { //nolint:gosec // for everyone
			t.Fatal(err)
		}
		return
	}
	for row, line := range verdicts {
		if !b.isRecorded(row, line) {
			t.Errorf("testdata/verdicts: %s: recorded %q, the device finds %q (go test -update writes it)", row, b.recorded[row], line)
		}
	}
	for row := range b.recorded {
		if _, ok := verdicts[row]; !ok && b.device != nil {
			t.Errorf("testdata/verdicts has a row that is not in the table: %s", row)
		}
	}
}

// orElse separates what testdata/findings and testdata/verdicts have for a row of which each is right: timing decides.
const orElse = " | "

// compareFindings compares the findings of the exporter with the recorded ones, row by row, or writes them.
func (b *bench) compareFindings(t *testing.T, findings map[string][]finding) {
	t.Helper()
	recorded := maps.Clone(b.findings)
	for row, found := range findings {
		for _, one := range found {
			for form, f := range one.facts {
				if expects(recorded[row], form, f) {
					continue
				}
				if !*update {
					t.Errorf("testdata/findings: %s:\nrecorded %s\nfound    %s\n(go test -update writes it)", row, recorded[row], ofForms(one.facts))
				}
				recorded[row] = ofForms(one.facts)
			}
		}
	}
	for row := range recorded {
		if _, ok := findings[row]; !ok && b.device != nil {
			if !*update {
				t.Errorf("testdata/findings has a row that is not in the table: %s", row)
			}
			delete(recorded, row)
		}
	}
	if !*update || t.Failed() {
		return
	}
	var out strings.Builder
	for _, row := range slices.Sorted(maps.Keys(recorded)) {
		fmt.Fprintf(&out, "%s\t%s\n", row, recorded[row])
	}
	if err := os.WriteFile("testdata/findings", []byte(out.String()), 0o644); err != nil { //nolint:gosec // for everyone
		t.Fatal(err)
	}
}

// differences reads testdata/differences: by row, what the exporter finds by design.
func (b *bench) differences(t testing.TB) map[string]difference {
	t.Helper()
	table := make(map[string]difference)
	for row, text := range readTable(t, "testdata/differences") {
		expected, reason, _ := strings.Cut(text, "\t")
		if reason == "" {
			t.Fatalf("testdata/differences: %s has no reason", row)
		}
		exporter, timing := strings.CutPrefix(expected, sometimes)
		table[row] = difference{exporter, timing}
	}
	return table
}

// readTable reads lines of a row's name, a tab and a text.
func readTable(t testing.TB, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	table := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		row, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || text == "" {
			t.Fatalf("%s: %q is not a row, a tab and a text", file, line)
		}
		table[row] = text
	}
	return table
}
