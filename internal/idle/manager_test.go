package idle

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

var devicePath = measurement.Path{Transport: measurement.TCP, Port: 5684}

// siteOf is a configuration of n hosts with one path each.
func siteOf(n int) *config.Config {
	c := &config.Config{Idle: config.Idle{Enabled: true, Steps: steps(), Interval: 6 * time.Hour, Concurrency: 64}}
	for i := range n {
		c.Endpoints = append(c.Endpoints, config.Endpoint{
			Service: "many", Host: fmt.Sprintf("host-%d.test", i), Client: measurement.Device, Finish: true, CoAPPing: true,
			Paths: []measurement.Path{devicePath},
		})
	}
	return c
}

// walked is a report in which every host has an address, which was reached.
func walked(c *config.Config) *report.Report {
	r := &report.Report{}
	for i := range c.Endpoints {
		h := report.Host{Endpoint: &c.Endpoints[i]}
		for _, p := range c.Endpoints[i].Paths {
			h.Paths = append(h.Paths, report.Path{Path: p, Walks: []report.Walk{{Outcome: measurement.Outcome{
				Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i / 256), byte(i)}), p.Port),
				Local:   netip.MustParseAddrPort("192.168.1.5:40000"),
			}}}})
		}
		r.Hosts = append(r.Hosts, h)
	}
	return r
}

// observeFor gives a manager the report every 10 minutes while d passes, as scrapes do.
func observeFor(m *Manager, r *report.Report, d time.Duration) {
	for end := time.Now().Add(d); ; {
		m.Observe(r)
		left := time.Until(end)
		if left <= 0 {
			return
		}
		<-time.After(min(left, 10*time.Minute)) // virtual time
	}
}

// inBubble runs a test with a manager in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, m *Manager)) {
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(slog.New(slog.DiscardHandler))
		test(t, m)
		began := time.Now()
		m.Close()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestManagerRounds(t *testing.T) {
	inBubble(t, func(t *testing.T, m *Manager) {
		c, w := siteOf(1), &world{forgets: always(s(200)), manner: report.IdleDropped}
		m.Reload(c, w.session)
		bounds := func() report.IdleBounds { return *m.Bounds(&c.Endpoints[0], devicePath) }
		if b := bounds(); b != unmeasured(report.IdleNotMeasuredYet) {
			t.Errorf("before anything: %+v", b)
		}
		<-time.After(time.Hour)
		if _, _, opened := w.count(); opened > 0 {
			t.Errorf("%d connections without an address of a survey", opened)
		}
		observeFor(m, walked(c), 20*time.Minute)
		first := bounds()
		if first.Survived != s(180) || first.Reason != report.IdleReasonDropped || !near(first.Lost, s(240)) || first.LastRound.IsZero() {
			t.Errorf("after a round: %+v", first)
		}
		_, _, opened := w.count()
		observeFor(m, walked(c), 5*time.Hour)
		if _, _, now := w.count(); now != opened {
			t.Errorf("measured again within 5 hours: %d connections, then %d", opened, now)
		}
		observeFor(m, walked(c), 2*time.Hour)
		if b := bounds(); !b.LastRound.After(first.LastRound) {
			t.Errorf("not measured again in 7 hours: %+v", b)
		}
		if _, _, now := w.count(); now != 2*opened {
			t.Errorf("%d connections in two rounds, %d in the first", now, opened)
		}
	})
}

func TestManagerRepeatsRoundWithoutResult(t *testing.T) {
	inBubble(t, func(t *testing.T, m *Manager) {
		c, down := siteOf(1), true
		w := &world{down: func() bool { return down }}
		m.Reload(c, w.session)
		observeFor(m, walked(c), 10*time.Minute)
		if b := m.Bounds(&c.Endpoints[0], devicePath); b.Survived != 0 || b.Open.Fact.Kind != report.IdleNoConnection || b.LastRound.IsZero() {
			t.Errorf("while the path is down: %+v", b)
		}
		down = false
		observeFor(m, walked(c), time.Hour)
		if b := m.Bounds(&c.Endpoints[0], devicePath); b.Survived != s(540) {
			t.Errorf("an hour later: %+v", b)
		}
	})
}

func TestManagerReloadKeepsResults(t *testing.T) {
	inBubble(t, func(t *testing.T, m *Manager) {
		c, w := siteOf(3), &world{}
		m.Reload(c, w.session)
		observeFor(m, walked(c), 20*time.Minute)
		_, _, opened := w.count()
		c.Endpoints = c.Endpoints[:2]
		changed := siteOf(2)
		changed.Endpoints[1].CoAPPing = false // now another measurement
		m.Reload(changed, w.session)
		observeFor(m, walked(changed), 0)
		kept, fresh := m.Bounds(&changed.Endpoints[0], devicePath), m.Bounds(&changed.Endpoints[1], devicePath)
		if kept.Survived != s(540) || *fresh != unmeasured(report.IdleNotMeasuredYet) {
			t.Errorf("kept %+v, changed %+v", kept, fresh)
		}
		gone := siteOf(3)
		if b := m.Bounds(&gone.Endpoints[2], devicePath); b != nil {
			t.Errorf("of a path that is not watched any more: %+v", b)
		}
		observeFor(m, walked(changed), 20*time.Minute)
		if _, _, now := w.count(); now != opened+opened/3 {
			t.Errorf("%d connections more, want one round's %d", now-opened, opened/3)
		}

		off := siteOf(2)
		off.Idle.Enabled = false
		m.Reload(off, w.session)
		if b := m.Bounds(&off.Endpoints[0], devicePath); b != nil {
			t.Errorf("turned off: %+v", b)
		}
	})
}

func TestManagerReloadKeepsRoundInProgress(t *testing.T) {
	inBubble(t, func(t *testing.T, m *Manager) {
		c, w := siteOf(1), &world{}
		m.Reload(c, w.session)
		observeFor(m, walked(c), 5*time.Minute) // two minutes at most before the steps have begun
		m.Reload(siteOf(1), w.session)
		observeFor(m, walked(c), 8*time.Minute)
		if b := m.Bounds(&c.Endpoints[0], devicePath); b.Survived != s(540) {
			t.Errorf("%+v", b)
		}
		if _, _, opened := w.count(); opened != 1+len(steps()) {
			t.Errorf("%d connections for one round", opened)
		}
	})
}

func TestManagerReloadWithNewSteps(t *testing.T) {
	inBubble(t, func(t *testing.T, m *Manager) {
		c, w := siteOf(1), &world{}
		m.Reload(c, w.session)
		observeFor(m, walked(c), 5*time.Minute)
		c.Idle.Steps = []time.Duration{s(20)}
		m.Reload(c, w.session)
		synctest.Wait()
		observeFor(m, walked(c), time.Minute)
		if b := m.Bounds(&c.Endpoints[0], devicePath); b.Survived != s(20) {
			t.Errorf("%+v", b)
		}
	})
}

func TestManagerConnectsOnlyToReportedAddresses(t *testing.T) {
	for name, test := range map[string]struct {
		walks  []report.Walk
		called bool
	}{
		"none": {nil, false},
		"a sinkhole": {[]report.Walk{
			{Outcome: measurement.Outcome{Address: netip.MustParseAddrPort("10.0.0.1:5684")}, Finding: report.Finding{Reason: reason.Sinkhole}},
			{Outcome: measurement.Outcome{Address: netip.MustParseAddrPort("198.51.100.1:5684")}},
		}, false},
		"withdrawn": {[]report.Walk{{Outcome: measurement.Outcome{Address: netip.MustParseAddrPort("198.51.100.1:5684")}, Withdrawn: true}}, false},
		"withdrawn, then one that stands": {[]report.Walk{
			{Outcome: measurement.Outcome{Address: netip.MustParseAddrPort("198.51.100.1:5684")}, Withdrawn: true},
			{Outcome: measurement.Outcome{Address: netip.MustParseAddrPort("198.51.100.2:5684")}},
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *Manager) {
				c, w := siteOf(1), &world{}
				m.Reload(c, w.session)
				observeFor(m, &report.Report{Hosts: []report.Host{{Endpoint: &c.Endpoints[0], Paths: []report.Path{
					{Path: devicePath, Walks: test.walks},
				}}}}, 20*time.Minute)
				if _, _, opened := w.count(); (opened > 0) != test.called {
					t.Errorf("%d connections", opened)
				}
			})
		})
	}
}

// TestManagerWhileIntercepted: results are hidden and rounds stop while an interceptor answers; both return afterwards.
func TestManagerWhileIntercepted(t *testing.T) {
	inBubble(t, func(t *testing.T, m *Manager) {
		c, w := siteOf(1), &world{forgets: always(s(200)), manner: report.IdleDropped}
		own, foreign := walked(c), walked(c)
		foreign.Hosts[0].Paths[0].Walks[0].Finding = report.Finding{
			Reason: reason.WrongIssuer,
		}
		bounds := func() report.IdleBounds { return *m.Bounds(&c.Endpoints[0], devicePath) }
		unknown := report.IdleBounds{Reason: report.IdleReasonUnknown, Open: report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleForeign}}}
		opened := func() int {
			_, _, n := w.count()
			return n
		}
		m.Reload(c, w.session)
		observeFor(m, foreign, 24*time.Hour)
		if b := bounds(); b != unknown || opened() > 0 {
			t.Errorf("intercepted from the start: %+v, %d connections", b, opened())
		}

		observeFor(m, own, 20*time.Minute)
		measured := bounds()
		if measured.Survived != s(180) {
			t.Errorf("no longer intercepted: %+v", measured)
		}
		before := opened()
		observeFor(m, foreign, 24*time.Hour)
		if b, want := bounds(), unknown; opened() != before {
			t.Errorf("%d connections more while intercepted", opened()-before)
		} else if want.LastRound = measured.LastRound; b != want {
			t.Errorf("intercepted after a round: %+v", b)
		}
		m.Observe(own)
		if b := bounds(); b != measured {
			t.Errorf("what was measured of the cloud is not known any more: %+v", b)
		}

		observeFor(m, own, 5*time.Minute) // a new round is in progress: its time has passed
		if open, _, _ := w.count(); open == 0 {
			t.Error("no round is under way")
		}
		m.Observe(foreign)
		synctest.Wait()
		if open, _, _ := w.count(); open != 0 {
			t.Errorf("%d connections go on though intercepted", open)
		}
		before = opened()
		m.Observe(own)
		observeFor(m, own, 20*time.Minute)
		if opened() != before {
			t.Error("a new round began at once")
		}
		observeFor(m, own, time.Hour)
		if b := bounds(); !b.LastRound.After(measured.LastRound) || b.Survived != s(180) {
			t.Errorf("not measured again: %+v", b)
		}
	})
}

// TestManagerDiscardsRoundBeforeInterception: a round ends after the last survey, and the next survey finds an
// interceptor.
func TestManagerDiscardsRoundBeforeInterception(t *testing.T) {
	inBubble(t, func(t *testing.T, m *Manager) {
		c, w := siteOf(1), &world{}
		m.Reload(c, w.session)
		rep := walked(c)
		m.Observe(rep)
		<-time.After(20 * time.Minute)
		if b := m.Bounds(&c.Endpoints[0], devicePath); b.Survived != s(540) {
			t.Errorf("after a round: %+v", b)
		}
		finding := &rep.Hosts[0].Paths[0].Walks[0].Finding
		*finding = report.Finding{Reason: reason.NotTLS}
		m.Observe(rep)
		*finding = report.Finding{}
		m.Observe(rep)
		if b := m.Bounds(&c.Endpoints[0], devicePath); *b != unmeasured(report.IdleNotMeasuredYet) {
			t.Errorf("%+v", b)
		}
		observeFor(m, rep, time.Hour)
		if b := m.Bounds(&c.Endpoints[0], devicePath); b.Survived != s(540) {
			t.Errorf("an hour later: %+v", b)
		}
	})
}

func TestForeign(t *testing.T) {
	for f, want := range map[report.Finding]bool{
		{}:                     false,
		{Reason: reason.Reset}: false,
		{Reason: reason.Reset, Advice: reason.CheckAddress}: true,
		{Reason: reason.WrongIssuer}:                        true,
		{Reason: reason.NotTLS}:                             true,
	} {
		if got := Foreign(&f); got != want {
			t.Errorf("%+v: foreign %v, want %v", f, got, want)
		}
	}
}

func TestManagerDoesNotUseOldAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T, m *Manager) {
		c, w := siteOf(1), &world{}
		m.Reload(c, w.session)
		m.Observe(walked(c))
		<-time.After(24 * time.Hour)
		if _, _, opened := w.count(); opened != 1+len(steps()) {
			t.Errorf("%d connections in a day without a survey, want those of the one round", opened)
		}
	})
}

// heap is the size of the heap in bytes.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestManagerBounds measures 500 paths: connections at a time, goroutines, memory and the rate of new connections are
// bounded, and every path is measured.
func TestManagerBounds(t *testing.T) {
	const paths = 500
	inBubble(t, func(t *testing.T, m *Manager) {
		c, w := siteOf(paths), &world{forgets: always(s(200)), manner: report.IdleDropped}
		before, held := runtime.NumGoroutine(), heap()
		m.Reload(c, w.session)
		rep := walked(c)
		most := 0
		for range 5 * 60 {
			observeFor(m, rep, time.Minute)
			most = max(most, runtime.NumGoroutine()-before)
		}
		if grown := heap() - held; grown > 8<<10*paths {
			t.Errorf("%d bytes more are held, want at most 8 KiB a path", grown)
		}
		if limit := 2*c.Idle.Concurrency + 2; most > limit {
			t.Errorf("%d goroutines, want at most %d", most, limit)
		}
		if _, atOnce, _ := w.count(); atOnce > c.Idle.Concurrency {
			t.Errorf("%d connections at once, want at most %d", atOnce, c.Idle.Concurrency)
		}
		measured := 0
		for i := range c.Endpoints {
			if m.Bounds(&c.Endpoints[i], devicePath).Survived == s(180) {
				measured++
			}
		}
		if measured < paths*9/10 {
			t.Errorf("%d of %d paths measured in 5 hours", measured, paths)
		}
		m.Close()
		if open, _, _ := w.count(); open != 0 {
			t.Errorf("%d connections left open", open)
		}
		slices.SortFunc(w.openedAt, time.Time.Compare)
		for i := 240; i < len(w.openedAt); i++ {
			// Controls follow losses at once; there is one for two others here.
			if took := w.openedAt[i].Sub(w.openedAt[i-240]); took < time.Minute {
				t.Fatalf("240 connections within %v", took)
			}
		}
	})
}

func TestManagerWithFewerConnectionsThanSteps(t *testing.T) {
	inBubble(t, func(t *testing.T, m *Manager) {
		c, w := siteOf(2), &world{}
		c.Idle.Concurrency = 2
		m.Reload(c, w.session)
		observeFor(m, walked(c), 3*time.Hour)
		for i := range c.Endpoints {
			if b := m.Bounds(&c.Endpoints[i], devicePath); b.Survived != s(540) {
				t.Errorf("host %d: %+v", i, b)
			}
		}
		if _, most, _ := w.count(); most > 2 {
			t.Errorf("%d connections at once", most)
		}
	})
}
