//go:build benchpeers && linux

package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// Flags of TestBenchPeers; make bench-peers sets them.
var (
	peersExporter = flag.String("peers.exporter", "", "binary of this exporter to measure; empty: built from this tree")
	peersBefore   = flag.String("peers.before", "", "binary of an earlier version of this exporter to measure too; empty: none")
	peersPrograms = flag.String("peers.blackbox", "prometheus-blackbox-exporter", "blackbox_exporter binaries to compare with, separated by commas; the aims are of the last")
	peersPairs    = flag.Int("peers.pairs", 9, "interleaved pairs of each row")
	peersSlice    = flag.Duration("peers.slice", 1500*time.Millisecond, "how long one side of a pair runs")
	peersRows     = flag.String("peers.rows", "", "regular expression of the rows to measure; empty: all")
	peersWrite    = flag.String("peers.write", "", "Markdown file whose generated section is rewritten; empty: none")
)

// peersMarks enclose the section that TestBenchPeers writes.
var peersMarks = [2]string{"<!-- peers: begin -->\n", "<!-- peers: end -->\n"}

// peersWorkers is how many requests are in progress at a time when a program is saturated. More only lengthen the
// queues: the machine has fewer cores.
const peersWorkers = 16

// peersRow is one row of the table.
type peersRow struct {
	name  string
	aim   float64 // ratio to as many probes of the peer; 0: none
	hosts []lab.Host
	// whole completes sessions, as the configuration does by default. Without it they end with the server flight.
	// dns resolves names and asks the zone's servers. Without it hosts are addresses.
	whole, dns bool
	probe      bool   // each path is a scrape of its own at /probe; else all paths are one scrape of /metrics
	accept     string // header; "": that of Prometheus 3
	oneByOne   bool   // one request at a time, of the peer too
	// every is the least interval between two scrapes; 0: no pause. Without a pause, few rounds ask the zone's servers,
	// which get at most two questions a second for each host.
	every time.Duration
	peer  peerLoad
}

// peerLoad is how the peer is loaded.
type peerLoad int

const (
	saturated peerLoad = iota // without a pause
	spread                    // as many probes as the row has paths, at equal distances in the interval, as Prometheus spreads its targets
	atOnce                    // as many probes as the row has paths, at the begin of the interval
)

func peersTable() []peersRow {
	return []peersRow{
		{name: "device hello, TCP, 50 paths in a scrape", aim: 0.25, hosts: manyHosts(50, "device")},
		{name: "device hello, TCP, 1,000 paths in a scrape", aim: 0.25, hosts: manyHosts(1000, "device")},
		{name: "the same, Accept header of Prometheus 2.42", aim: 0.25, hosts: manyHosts(1000, "device"), accept: acceptPrometheus2},
		{name: "device hello, DTLS, 50 paths in a scrape", aim: 0.28, hosts: manyHosts(50, "device-udp")},
		{name: "whole session with ping, TCP, 50 paths in a scrape", aim: 0.5, hosts: manyHosts(50, "device"), whole: true},
		{name: "browser's hello, 50 paths in a scrape", aim: 0.6, hosts: manyHosts(50, "web"), whole: true},
		{name: "one path in a scrape: device hello, TCP, at /probe, saturated", aim: 1, hosts: manyHosts(50, "device"), probe: true},
		{name: "one path in a scrape: device hello, TCP, at /metrics, one scrape at a time", aim: 1, hosts: manyHosts(1, "device"), oneByOne: true},
		{name: "built-in catalogue's hosts with DNS, finish and ping, 12 paths in a scrape, one after the other (the zone's servers are asked once a second)", aim: 0.6, hosts: lab.Izuma(), whole: true, dns: true},
		{name: "the same, a scrape a second; the peer's 12 probes spread over the second", aim: 0.6, hosts: lab.Izuma(), whole: true, dns: true, every: time.Second, peer: spread},
		{name: "the same, a scrape a second; the peer's 12 probes at once", aim: 0.6, hosts: lab.Izuma(), whole: true, dns: true, every: time.Second, peer: atOnce},
	}
}

// side is a program under load.
type side struct {
	program *process
	round   func() (paths int)
	every   time.Duration // from the begin of a round to that of the next; 0: no pause
}

// run loads the program for a time and returns the processor time per path in milliseconds.
func (s *side) run(d time.Duration) float64 {
	tick := time.NewTicker(max(s.every, 1))
	defer tick.Stop()
	before, paths := s.program.cpu(), 0
	for began := time.Now(); time.Since(began) < max(d, 4*s.every); {
		paths += s.round()
		if s.every > 0 {
			<-tick.C
		}
	}
	return (s.program.cpu() - before).Seconds() * 1000 / float64(paths)
}

// TestBenchPeers measures the processor time of this exporter and of blackbox_exporter in interleaved slices against
// the same simulated cloud, which runs in this process, and prints the ratios. It asserts only that every path and
// every probe succeeds.
func TestBenchPeers(t *testing.T) {
	only, err := regexp.Compile(*peersRows)
	if err != nil {
		t.Fatal(err)
	}
	binary := *peersExporter
	if binary == "" {
		binary = buildExporter(t)
	}
	var peers []*blackbox
	var names []string
	for name := range strings.FieldsFuncSeq(*peersPrograms, func(r rune) bool { return r == ',' }) {
		peers = append(peers, startBlackbox(t, name))
		names = append(names, "blackbox_exporter "+blackboxVersion(t, name))
	}
	if *peersBefore != "" {
		names = append([]string{"this exporter before"}, names...)
	}
	table := newPeersReport(names)
	for _, row := range peersTable() {
		if only.MatchString(row.name) {
			t.Run(row.name, func(t *testing.T) {
				sides := []*side{exporterSide(t, binary, row)}
				if *peersBefore != "" {
					sides = append(sides, exporterSide(t, *peersBefore, row))
				}
				for _, p := range peers {
					sides = append(sides, p.side(t, row))
				}
				table.add(row, measurePairs(sides))
				t.Log("\n" + table.last())
			})
		}
	}
	t.Log("\n" + table.String())
	if *peersWrite != "" {
		text := fmt.Sprintf("%d pairs of %v a side; median, and in parentheses the least and the greatest of the pairs.\n\n%s", *peersPairs, *peersSlice, table)
		if err := rewriteSection(*peersWrite, text); err != nil {
			t.Fatal(err)
		}
	}
}

// measurePairs runs the sides in turn, forwards and backwards alternately, and returns the samples of each side.
func measurePairs(sides []*side) [][]float64 {
	out := make([][]float64, len(sides))
	for _, s := range sides {
		s.run(*peersSlice / 3) // connections, caches and heap as in the middle of a run
	}
	order := make([]int, len(sides))
	for i := range order {
		order[i] = i
	}
	for range *peersPairs {
		for _, i := range order {
			out[i] = append(out[i], sides[i].run(*peersSlice))
		}
		slices.Reverse(order)
	}
	return out
}

// exporterSide starts this exporter for a row.
func exporterSide(t *testing.T, binary string, row peersRow) *side {
	l := labtest.Start(t, lab.Options{Hosts: row.hosts})
	config := l.Config() + "survey: {min_interval: 0s, timeout: 1m}\n"
	if !row.dns {
		config = byAddress(l, config, row.whole)
	}
	p := startProcess(t, binary, "--config.file="+configFile(t, config))
	client, accept := prometheusClient(), cmp.Or(row.accept, acceptPrometheus3)
	metric := "endpoint_tls_authentic"
	if row.whole {
		metric = "endpoint_path_up"
	}
	paths := len(l.Places())
	if up := countUp(p.get("/metrics"), metric); up != paths {
		t.Fatalf("%d of %d paths show %s", up, paths, metric)
	}
	if row.probe {
		var urls []string
		for _, place := range l.Places() {
			urls = append(urls, p.url+"/probe?target="+place.Address.Addr().String())
		}
		return &side{p, func() int { fetchAll(t, client, accept, urls, peersWorkers); return len(urls) }, row.every}
	}
	return &side{p, func() int { fetchAll(t, client, accept, []string{p.url + "/metrics"}, 1); return paths }, row.every}
}

// blackbox is a blackbox_exporter that probes web hosts by TCP and TLS.
type blackbox struct {
	program *process
	urls    []string
}

func startBlackbox(t *testing.T, name string) *blackbox {
	l := labtest.Start(t, lab.Options{Hosts: manyHosts(48, "web")})
	config := configFile(t, "modules: {tls: {prober: tcp, timeout: 5s, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}}\n")
	b := &blackbox{program: startProcess(t, name, "--config.file="+config)}
	for _, place := range l.Places() {
		probe := "/probe?module=tls&target=" + place.Address.String()
		if body := b.program.get(probe); countUp(body, "probe_success") != 1 {
			t.Fatalf("%s", body)
		}
		b.urls = append(b.urls, b.program.url+probe)
	}
	return b
}

// side loads the program as a row says.
func (b *blackbox) side(t *testing.T, row peersRow) *side {
	client, urls, workers := prometheusClient(), b.urls, peersWorkers
	fetch := func(urls []string) { fetchAll(t, client, acceptPrometheus3, urls, workers) }
	every, round := time.Duration(0), fetch
	if row.oneByOne {
		workers = 1
	}
	if row.peer != saturated {
		urls, every = urls[:paths(row.hosts)], row.every
	}
	if row.peer == spread {
		round = func(urls []string) {
			distance := time.NewTicker(row.every / time.Duration(len(urls)))
			defer distance.Stop()
			for i := range urls {
				if i > 0 {
					<-distance.C
				}
				fetch(urls[i : i+1])
			}
		}
	}
	return &side{b.program, func() int { round(urls); return len(urls) }, every}
}

// paths is the number of paths of some hosts.
func paths(hosts []lab.Host) (n int) {
	for _, h := range hosts {
		n += len(h.Paths)
	}
	return n
}

// prometheusClient is a client that keeps connections and leaves responses compressed, as Prometheus does.
func prometheusClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: peersWorkers}}
}

// fetchAll scrapes addresses, some at a time.
func fetchAll(t *testing.T, client *http.Client, accept string, urls []string, workers int) {
	jobs := make(chan string)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for url := range jobs {
				if err := fetch(t.Context(), client, accept, url); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, url := range urls {
		jobs <- url
	}
	close(jobs)
	all.Wait()
}

func fetch(ctx context.Context, client *http.Client, accept, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", "gzip")
	request.Header.Set(timeoutHeader, "60")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// byAddress makes a lab's configuration name addresses instead of hosts, and unless whole is set stop at the server
// flight.
func byAddress(l *lab.Lab, config string, whole bool) string {
	var names []string
	for _, p := range l.Places() {
		names = append(names, "host: "+p.Host.Name+"\n", "host: "+p.Address.Addr().String()+"\n")
	}
	config = strings.NewReplacer(names...).Replace(config)
	if !whole {
		config = strings.ReplaceAll(config, "    coap_ping: true\n", "    finish: false\n")
	}
	return config
}

// blackboxVersion is the version that a blackbox_exporter prints.
func blackboxVersion(t *testing.T, name string) string {
	out, err := exec.CommandContext(t.Context(), name, "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	fields := strings.Fields(string(out))
	if i := slices.Index(fields, "version"); i >= 0 && i+1 < len(fields) {
		return strings.TrimSuffix(fields[i+1], ",")
	}
	return name
}

// peersReport makes the table.
type peersReport struct {
	b     strings.Builder
	tail  string
	peers []string
}

func newPeersReport(peers []string) *peersReport {
	r := &peersReport{peers: peers}
	r.b.WriteString("| row | this exporter, ms |")
	for _, p := range peers {
		fmt.Fprintf(&r.b, " %s, ms | ratio |", p)
	}
	r.b.WriteString(" aim |\n|---|---|" + strings.Repeat("---|---|", len(peers)) + "---|\n")
	return r
}

// add adds a row: medians, with the least and the greatest value of the pairs in parentheses.
func (r *peersReport) add(row peersRow, samples [][]float64) {
	var line strings.Builder
	column := func(of func(pair int) float64, digits int) string {
		values := make([]float64, len(samples[0]))
		for i := range values {
			values[i] = of(i)
		}
		slices.Sort(values)
		return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, values[len(values)/2], digits, values[0], digits, values[len(values)-1])
	}
	ms := func(side int) func(int) float64 {
		return func(pair int) float64 { return samples[side][pair] }
	}
	fmt.Fprintf(&line, "| %s | %s |", row.name, column(ms(0), 3))
	for i := 1; i < len(samples); i++ {
		fmt.Fprintf(&line, " %s | %s |", column(ms(i), 2), column(func(pair int) float64 { return ms(0)(pair) / ms(i)(pair) }, 2))
	}
	aim := "none"
	if row.aim > 0 {
		aim = fmt.Sprintf("%.2f", row.aim)
	}
	fmt.Fprintf(&line, " %s |\n", aim)
	r.tail = line.String()
	r.b.WriteString(r.tail)
}

func (r *peersReport) last() string   { return r.tail }
func (r *peersReport) String() string { return r.b.String() }

// rewriteSection replaces the text between the marks of a file.
func rewriteSection(file, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(old), peersMarks[0])
	_, tail, ended := strings.Cut(rest, peersMarks[1])
	if !found || !ended {
		return fmt.Errorf("%s has no section %q", file, peersMarks[0])
	}
	return os.WriteFile(file, []byte(head+peersMarks[0]+"\n"+text+"\n"+peersMarks[1]+tail), 0o644) //nolint:gosec // a document
}

// process is a program that serves HTTP and is measured.
type process struct {
	tb      testing.TB
	command *exec.Cmd
	url     string
}

// startProcess runs a program on a free port until the test ends.
func startProcess(tb testing.TB, name string, args ...string) *process {
	tb.Helper()
	command := exec.Command(name, append(args, "--web.listen-address=127.0.0.1:0")...)
	return &process{tb, command, "http://" + program.Start(tb, command)}
}

// get fetches a page that must be there.
func (p *process) get(path string) []byte {
	p.tb.Helper()
	response, err := http.Get(p.url + path)
	if err != nil {
		p.tb.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		p.tb.Fatalf("%s: %s %v\n%s", path, response.Status, err, body)
	}
	return body
}

// cpu is the processor time that the program has used, in user and kernel mode, by its clock (clock_getcpuclockid(3)).
func (p *process) cpu() time.Duration {
	p.tb.Helper()
	const ofProcess = 2 // CPUCLOCK_SCHED
	var spent unix.Timespec
	if err := unix.ClockGettime(int32(^p.command.Process.Pid)<<3|ofProcess, &spent); err != nil {
		p.tb.Fatal(err)
	}
	return time.Duration(spent.Nano())
}
