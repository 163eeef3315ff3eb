//go:build fleet

package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

var (
	fleetSites = flag.Int("fleet.sites", 500, "sites of the simulated fleet")
	fleetHours = flag.Int("fleet.hours", 24, "hours that the simulated fleet has run")
	fleetSick  = flag.Bool("fleet.sick", true, "some sites of the simulated fleet have faults now")
	fleetWorst = flag.Bool("fleet.worst", false, "every path of the simulated fleet fails for the last 20 hours")
	fleetDir   = flag.String("fleet.dir", "", "folder that keeps the simulated store from run to run")
	fleetServe = flag.Bool("fleet.serve", false, "serve the simulated fleet until the test is interrupted, instead of measuring, to look at the dashboards")
)

// startFleet writes a simulated fleet and runs Debian's Prometheus over it until the test ends. It gives the address
// and the process id. The store is not compacted: its blocks have their final length. A store that -fleet.dir names is
// written once.
func startFleet(tb testing.TB) (f *fleet, address string, pid int) {
	tb.Helper()
	dir, end := *fleetDir, time.Now()
	if dir == "" {
		dir = tb.TempDir()
	}
	ready := filepath.Join(dir, "prometheus.yml") // is written last, with the time of the end
	info, err := os.Stat(ready)
	if err == nil {
		end = info.ModTime()
	}
	f = newFleet(*fleetSites, time.Duration(*fleetHours)*time.Hour, end, *fleetSick)
	if *fleetWorst {
		f.failEverywhere()
	}
	begun := time.Now()
	if err != nil {
		if err := f.write(filepath.Join(dir, "data"), f.series(), f.samples); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(ready, []byte("global: {}\n"), 0o600); err != nil {
			tb.Fatal(err)
		}
		if err := os.Chtimes(ready, end, end); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Logf("%d sites, %s: written in %s", len(f.sites), time.Duration(f.samples)*scrapeInterval, time.Since(begun).Round(time.Second))
	command := exec.Command("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0",
		"--storage.tsdb.min-block-duration=6h", "--storage.tsdb.max-block-duration=6h", "--storage.tsdb.retention.time=10y", "--query.timeout=20m")
	command.Dir = dir
	address = program.Start(tb, command)
	awaitReady(tb, address)
	return f, address, command.Process.Pid
}

// awaitReady waits until Prometheus has read its store.
func awaitReady(tb testing.TB, address string) {
	tb.Helper()
	for up := false; !up; {
		response, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			tb.Fatal(err)
		}
		_ = response.Body.Close()
		up = response.StatusCode == http.StatusOK
	}
}

// get asks the programming interface of Prometheus.
func get(tb testing.TB, address, path string, values url.Values) []byte {
	tb.Helper()
	response, err := http.PostForm("http://"+address+"/api/v1/"+path, values)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %v: %.500s", path, err, body)
	}
	return body
}

// BenchmarkPanels measures the queries of every panel at 500 sites over 24 hours, as Grafana sends them at a width
// of 1920 pixels with every site selected: processor time of Prometheus, and size of the answers. The dashboard of
// one host has one site selected.
//
//	make fleet-bench
func BenchmarkPanels(b *testing.B) {
	f, address, pid := startFleet(b)
	checkRecorded(b, f, address)
	if *fleetServe {
		fmt.Printf("PROM=http://%s TO=%d\n", address, f.end.UnixMilli())
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		<-interrupted
		return
	}
	files, err := dashboards()
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"overview.json", "endpoint.json", "exporter.json"} {
		var d dashboard
		if err := json.Unmarshal(files[name], &d); err != nil {
			b.Fatal(err)
		}
		chosen := selection(d, f)
		b.Run(strings.TrimSuffix(name, ".json"), func(b *testing.B) {
			for _, p := range d.Panels {
				if len(p.Targets) == 0 {
					continue
				}
				b.Run(p.Title, func(b *testing.B) { benchmarkPanel(b, address, pid, f, p, chosen) })
			}
			for _, a := range d.Annotations.List {
				p := panel{GridPos: gridPos{W: 24}, Interval: cmp.Or(a.Step, "1m"), Targets: []target{{Expr: a.Expr}}}
				b.Run("annotation "+a.Name, func(b *testing.B) { benchmarkPanel(b, address, pid, f, p, chosen) })
			}
		})
	}
}

// checkRecorded compares the recorded series of the simulated fleet with what the rules' own expressions yield from
// its other series, now. The faults are not among them: the rules derive them in many steps, from windows of hours.
func checkRecorded(b *testing.B, f *fleet, address string) {
	b.Helper()
	text, err := os.ReadFile("../../alerts/endpoint.rules.yml")
	if err != nil {
		b.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Record, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		b.Fatal(err)
	}
	checked := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			switch r.Record {
			case "endpoint:path_state", "endpoint:issuer:not_authentic", "endpoint:tls_authentic:not_after", "endpoint:tls_authentic:not_before",
				"endpoint:dns_address_changes:increase5m":
				checked++
				for _, difference := range []string{"(%[1]s) unless %[2]s", "%[2]s unless (%[1]s)", "(%[1]s) != %[2]s"} {
					expr := fmt.Sprintf(difference, r.Expr, r.Record)
					got := string(get(b, address, "query", url.Values{"query": {expr}, "time": {strconv.FormatInt(f.end.Unix(), 10)}}))
					if !strings.Contains(got, `"result":[]`) {
						b.Errorf("%s: %.500s", expr, got)
					}
				}
			}
		}
	}
	if checked != 5 {
		b.Errorf("%d recorded series were checked", checked)
	}
}

func benchmarkPanel(b *testing.B, address string, pid int, f *fleet, p panel, chosen *strings.Replacer) {
	var size int
	before := processorTime(b, pid)
	for b.Loop() {
		size = 0
		for _, q := range p.Targets {
			size += len(f.query(b, address, p, q, chosen))
		}
	}
	used := processorTime(b, pid) - before
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/view")
	b.ReportMetric(float64(size)/1e6, "MB/view")
}

// query sends one query of a panel as Grafana does.
func (f *fleet) query(tb testing.TB, address string, p panel, q target, chosen *strings.Replacer) []byte {
	window := time.Duration(f.samples) * scrapeInterval
	step := max(rounded(window/time.Duration(p.GridPos.W*1920/24)), duration(p.Interval), 15*time.Second)
	scrape := max(duration(q.Interval), 15*time.Second) // the data source's own default
	expr := strings.NewReplacer(
		"$__interval", fmt.Sprintf("%ds", int(step.Seconds())), "$__range", fmt.Sprintf("%ds", int(window.Seconds())),
		"$__rate_interval", fmt.Sprintf("%ds", int(max(step+scrape, 4*scrape).Seconds())),
	).Replace(chosen.Replace(q.Expr))
	if q.Instant {
		return get(tb, address, "query", url.Values{"query": {expr}, "time": {strconv.FormatInt(f.end.Unix(), 10)}})
	}
	end := f.end.Truncate(step)
	return get(tb, address, "query_range", url.Values{"query": {expr}, "start": {strconv.FormatInt(end.Add(-window).Unix(), 10)},
		"end": {strconv.FormatInt(end.Unix(), 10)}, "step": {strconv.Itoa(int(step.Seconds()))}})
}

// rounded is the step that Grafana takes for an interval between two pixels.
func rounded(d time.Duration) time.Duration {
	steps := []time.Duration{15 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
		15 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour}
	limits := []time.Duration{17500 * time.Millisecond, 25 * time.Second, 45 * time.Second, 90 * time.Second, 210 * time.Second, 450 * time.Second,
		750 * time.Second, 1050 * time.Second, 1500 * time.Second, 45 * time.Minute, 90 * time.Minute}
	for i, limit := range limits {
		if d < limit {
			return steps[i]
		}
	}
	return steps[len(steps)-1]
}

// selection fills in the variables of a dashboard: everything where it can be, else the first value.
func selection(d dashboard, f *fleet) *strings.Replacer {
	first := map[string]string{"job": "endpoint", "site": f.sites[0].labels[3], "host": "bootstrap.us-east-1.mbedcloud.com", "instance": f.sites[0].labels[5]}
	var pairs []string
	for _, v := range d.Templating.List {
		value := first[v.Name]
		if v.IncludeAll {
			value = cmp.Or(v.AllValue, value)
		}
		pairs = append(pairs, "$"+v.Name, value)
	}
	return strings.NewReplacer(pairs...)
}

// processorTime is what a process has used, in user and in kernel mode.
func processorTime(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	fields := strings.Fields(regexp.MustCompile(`^.*\) `).ReplaceAllString(string(stat), "")) // from the third field on
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
}
