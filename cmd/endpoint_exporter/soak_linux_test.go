//go:build soak

package main

import (
	"flag"
	"math"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

var (
	soakFor   = flag.Duration("soak", 2*time.Hour, "how long TestSoak runs")
	soakFlags = flag.String("soak.build", "", "flags of go build for the program that TestSoak runs")
)

const (
	soakInterval = 2 * time.Second
	soakFault    = 5  // scrapes between two changes of faults
	soakReload   = 12 // scrapes between two reloads
	soakSamples  = 5  // in the second half, at least: fewer do not tell growth from noise
)

// soakConfig makes rounds at every scrape, with the constants of the staleness proof scaled down.
const soakConfig = "survey: {min_interval: 0s}\nfreshness: {margin: 1s, slack: 1s, authority_lag: 5s, learning: 20s, hold: 20s, spacing: 1s}\n"

// TestSoak scrapes the program every 2 s for the time of the flag -soak, while faults come and go and the configuration
// is reloaded. It fails if memory, goroutines or open files grow in the second half by more than the noise. A sample is
// the least value during one cycle of the faults, so that neither garbage nor the faults count.
//
// The resident memory of a build with the race detector is shown only: the detector keeps about 0.4 kB for each
// goroutine that was ever started.
func TestSoak(t *testing.T) {
	s := serveProcess(t, setup{hosts: lab.Izuma(), more: soakConfig, soak: *soakFor, build: append([]string{"-race=false"}, strings.Fields(*soakFlags)...)})
	faults := []struct{ where, fault string }{
		{"*", lab.None}, {"*/tcp", lab.Refuse}, {"bootstrap", lab.Intercept}, {"*", lab.None}, {"*/udp", lab.Drop}, {"lwm2m", lab.Expired},
		{"*/tcp", lab.ResetAfterHello}, {"*", lab.None}, {"resolver", "servfail"}, {"resolver", "honest"}, {"gateways", lab.BlockPage},
	}
	for _, f := range faults {
		if err := s.lab.Check(f.where, f.fault); err != nil {
			t.Fatal(err)
		}
	}
	cycle := time.Duration(len(faults)) * soakFault * soakInterval
	if least := 2 * (soakSamples + 1) * cycle; *soakFor < least {
		t.Fatalf("-soak is %v, and must be %v or more", *soakFor, least)
	}
	const resident = "process_resident_memory_bytes"
	metrics := []string{resident, "go_memstats_heap_alloc_bytes", "go_memstats_sys_bytes", "go_goroutines", "process_open_fds"}
	samples := make(map[string][]float64)
	least := make(map[string]float64)
	tick := time.NewTicker(soakInterval)
	defer tick.Stop()
	started := time.Now()
	window := started
	for n := 1; time.Since(started) < *soakFor; n++ {
		<-tick.C
		code, body := s.get("/metrics")
		if code != http.StatusOK {
			t.Fatalf("scrape %d: %d %.300s", n, code, body)
		}
		x := parseExposition(t, body)
		for _, m := range metrics {
			value, ok := x.one(m)
			if !ok {
				t.Fatalf("scrape %d has no %s: %.300s", n, m, body)
			}
			if old, seen := least[m]; !seen || value < old {
				least[m] = value
			}
		}
		if time.Since(window) >= cycle {
			window = time.Now()
			for _, m := range metrics {
				samples[m] = append(samples[m], least[m])
			}
			t.Logf("%v: %v", time.Since(started).Round(time.Second), least)
			clear(least)
		}
		if n%soakFault == 0 {
			f := faults[n/soakFault%len(faults)]
			if err := s.lab.Set(f.where, f.fault); err != nil {
				t.Fatal(err)
			}
		}
		if n%soakReload == 0 {
			if err := syscall.Kill(s.pid, syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range metrics {
		half := samples[m][len(samples[m])/2:]
		if len(half) < soakSamples {
			t.Fatalf("%d samples of %s in the second half: this machine is too slow", len(half), m)
		}
		slope, deviation, mean := trend(half)
		hour := time.Hour.Seconds() / (time.Since(started).Seconds() / float64(len(samples[m])))
		growth := slope * float64(len(half)) / mean
		t.Logf("%s: mean %.0f, slope %.0f ± %.0f an hour, %.1f %% in the second half", m, mean, slope*hour, deviation*hour, 100*growth)
		judged := m != resident || !strings.Contains(*soakFlags, "-race")
		if judged && slope > 3*deviation && growth > 0.05 {
			t.Errorf("%s grows", m)
		}
	}
}

// trend returns the slope of the line of least squares through samples, its standard deviation, and the mean.
func trend(samples []float64) (slope, deviation, mean float64) {
	n := float64(len(samples))
	for _, y := range samples {
		mean += y / n
	}
	middle := (n - 1) / 2
	var xx, xy, rest float64
	for i, y := range samples {
		dx := float64(i) - middle
		xx += dx * dx
		xy += dx * (y - mean)
	}
	slope = xy / xx
	for i, y := range samples {
		d := y - mean - slope*(float64(i)-middle)
		rest += d * d
	}
	return slope, math.Sqrt(rest / (n - 2) / xx), mean
}
