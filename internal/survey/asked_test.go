package survey

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// web443 and device5684 are what /probe asks for without parameters, and with client=device.
var (
	web443     = config.ProbeRequest{Client: measurement.Web, Paths: []measurement.Path{{Transport: measurement.TCP, Port: 443}}}
	device5684 = config.ProbeRequest{Client: measurement.Device, Paths: []measurement.Path{
		{Transport: measurement.TCP, Port: 5684}, {Transport: measurement.UDP, Port: 5684},
	}}
	deviceUDP = config.ProbeRequest{Client: measurement.Device, Paths: device5684.Paths[1:]}
)

// asks asks for a host that is not configured, and checks that the report is of what was asked for only.
func asks(ctx context.Context, t *testing.T, s *Survey, asked config.ProbeRequest) *report.Report {
	t.Helper()
	rep, err := s.RunHost(ctx, "x.test", asked)
	if err != nil || len(rep.Hosts) != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	h := rep.Hosts[0]
	var paths []measurement.Path
	for _, p := range h.Paths {
		paths = append(paths, p.Path)
		if p.Up != p.Known || h.Up != h.Known || h.Up != p.Up {
			t.Errorf("%+v of a host that is up %v, known %v", p.Path, h.Up, h.Known)
		}
	}
	if !slices.Equal(paths, asked.Paths) || !slices.Equal(h.Endpoint.Paths, asked.Paths) || h.Endpoint.Client != asked.Client {
		t.Errorf("asked for %+v, got %v of client %s", asked, paths, h.Endpoint.Client)
	}
	return rep
}

// TestRunHostAsked asks for different paths of one host: it has one round in three quarters of min_interval (10 s).
func TestRunHostAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"x.test": addrs("8.8.8.8")}}
		s, _ := w.open(t, nil)
		begun := time.Now()
		for _, step := range []struct {
			name        string
			after       time.Duration // since the beginning
			within      time.Duration
			asked       config.ProbeRequest
			takes       time.Duration
			incomplete  int
			walks, asks int64 // so far: walks, and look-ups of the host
		}{
			{"the first", 0, 5 * time.Second, web443, 0, 0, 1, 1},
			{"others, with too little time", time.Second, 2 * time.Second, device5684, 2 * time.Second, 2, 1, 1},
			{"one of them, with enough", 4 * time.Second, 5 * time.Second, deviceUDP, 3500 * time.Millisecond, 0, 4, 2},
			{"all of the second round", 8 * time.Second, time.Second, device5684, 0, 0, 4, 2},
			{"the first again", 9 * time.Second, time.Second, web443, 0, 0, 4, 2},
			{"the third round has all", 30 * time.Second, time.Second, web443, 0, 0, 7, 3},
			{"so that the others do not wait", 31 * time.Second, time.Second, device5684, 0, 0, 7, 3},
			{"one that is asked for for the last time", askedMemory, time.Second, deviceUDP, 0, 0, 10, 4},
			{"the others are forgotten", 31*time.Second + askedMemory + time.Second, time.Second, deviceUDP, 0, 0, 11, 5},
		} {
			time.Sleep(step.after - time.Since(begun)) //nolint:forbidigo // virtual time
			ctx, cancel := within(step.within)
			asked := time.Now()
			rep := asks(ctx, t, s, step.asked)
			cancel()
			if took := time.Since(asked); took != step.takes || rep.IncompletePaths != step.incomplete ||
				w.walks.Load() != step.walks || w.lookups.Load() != step.asks {
				t.Errorf("%s: took %s, %d paths incomplete; %d walks and %d look-ups so far, want %+v", step.name, took, rep.IncompletePaths, w.walks.Load(), w.lookups.Load(), step)
			}
		}
	})
}

// TestRunHostAskedWithoutDeadline has a round that is shared for 45 minutes.
func TestRunHostAskedWithoutDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"x.test": addrs("8.8.8.8")}}
		s, _ := w.open(t, func(c *config.Config) { c.Survey.MinInterval = time.Hour })
		asks(context.Background(), t, s, web443)
		begun := time.Now()
		if rep := asks(context.Background(), t, s, device5684); rep.IncompletePaths != 2 || time.Since(begun) != 10*time.Second {
			t.Errorf("%d paths incomplete after %s", rep.IncompletePaths, time.Since(begun))
		}
		time.AfterFunc(time.Second, s.Close)
		begun = time.Now()
		if rep := asks(context.Background(), t, s, device5684); rep.IncompletePaths != 2 || time.Since(begun) != time.Second {
			t.Errorf("%d paths incomplete %s after the close", rep.IncompletePaths, time.Since(begun))
		}
	})
}

// TestRunHostConfiguredMeanwhile waits for a round of a host that a reload makes an endpoint.
func TestRunHostConfiguredMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"x.test": addrs("8.8.8.8")}}
		s, _ := w.open(t, nil)
		asks(context.Background(), t, s, web443)
		time.AfterFunc(time.Second, func() { s.Reload(w.site(nil, "x.test")) })
		rep, err := s.RunHost(context.Background(), "x.test", deviceUDP)
		if err != nil || len(rep.Hosts) != 1 || rep.Hosts[0].Endpoint.Service != "s" || !rep.Hosts[0].Up {
			t.Errorf("%+v, %v", rep, err)
		}
	})
}

func TestAskedPathsAreBounded(t *testing.T) {
	asked, now := make(askedPaths), time.Now()
	host := func(i int) string { return fmt.Sprintf("h%d.test", i) }
	for i := range maxUnconfiguredKept + 10 {
		now = now.Add(time.Second)
		asked.add(host(i), web443, now)
		asked.add(host(0), deviceUDP, now) // always asked for
	}
	if len(asked) != maxUnconfiguredKept || asked[host(1)] != nil || asked[host(10)] != nil || asked[host(11)] == nil {
		t.Errorf("%d hosts are remembered: %v", len(asked), asked)
	}
	if got := asked.of(host(0), now); len(got) != 2 || got[0].Client != measurement.Device || got[1].Client != measurement.Web {
		t.Errorf("of the first: %+v", got)
	}
}
