package trace

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// blockedReport has n hosts with a blocked path over UDP, a blocked one over TCP that connects, one over TCP that does
// not, and one that works.
func blockedReport(n int) *report.Report {
	walk := func(r reason.Reason, times ...measurement.PhaseTime) []report.Walk {
		return []report.Walk{{Finding: report.Finding{Reason: r}, Outcome: measurement.Outcome{Address: netip.MustParseAddrPort("192.0.2.1:5684"), Times: times}}}
	}
	silent := report.Finding{Reason: reason.Silent}
	r := &report.Report{}
	for range n {
		r.Hosts = append(r.Hosts, report.Host{Endpoint: &config.Endpoint{Host: "a.test"}, Paths: []report.Path{
			{Path: measurement.Path{Transport: measurement.UDP, Port: 5684}, Finding: silent, Walks: walk(reason.Silent)},
			{Path: measurement.Path{Transport: measurement.TCP, Port: 443}, Finding: silent, Walks: walk(reason.Silent, measurement.PhaseTime{Phase: measurement.Connect, Took: 1})},
			{Path: measurement.Path{Transport: measurement.TCP, Port: 5684}, Finding: silent, Walks: walk(reason.Silent)},
			{Path: measurement.Path{Transport: measurement.TCP, Port: 80}, Walks: walk(reason.OK)},
			{Path: measurement.Path{Transport: measurement.TCP, Port: 81}, Finding: report.Finding{Reason: reason.DNSFailed}},
		}})
	}
	return r
}

func TestBlockedChoosesPackets(t *testing.T) {
	var packets []report.TracePacket
	for _, target := range targetsOf(blockedReport(1)) {
		packets = append(packets, target.Packet)
		if (target.Packet == report.TraceSYN) != (len(target.hello) == 0) {
			t.Errorf("%s with a hello of %d bytes", target.Packet, len(target.hello))
		}
	}
	if want := []report.TracePacket{report.TraceDatagram, report.TraceHello, report.TraceSYN}; !slices.Equal(packets, want) {
		t.Errorf("%v, want %v", packets, want)
	}
	if n := len(targetsOf(blockedReport(100))); n != maxPaths {
		t.Errorf("%d paths are traced", n)
	}
}

func TestRun(t *testing.T) {
	router := func(ttl int) report.TraceHop {
		return report.TraceHop{Reply: report.TraceExpired, Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(ttl)})}
	}
	silent := report.TraceHop{Reply: report.TraceSilent}
	for name, test := range map[string]struct {
		hop    func(ttl, try int) report.TraceHop
		ending report.TraceEnding
		hops   int
		tried  int
	}{
		"nothing answers": {func(int, int) report.TraceHop { return silent }, report.TraceLost, 0, maxSilent},
		"lost after hop 2": {func(ttl, _ int) report.TraceHop {
			if ttl <= 2 {
				return router(ttl)
			}
			return silent
		}, report.TraceLost, 2, 2 + 2*batch + 4},
		"a silent router, then the address": {func(ttl, _ int) report.TraceHop {
			switch ttl {
			case 3:
				return silent
			case 9:
				return report.TraceHop{Reply: report.TraceAnswered}
			}
			return router(ttl)
		}, report.TraceArrived, 9, 9},
		"a router that answers only the second packet": {func(ttl, try int) report.TraceHop {
			switch {
			case ttl == 1 && try == 1:
				return router(1)
			case ttl == 2:
				return report.TraceHop{Reply: report.TraceRejected}
			}
			return silent
		}, report.TraceStopped, 2, 2},
		"refused": {func(int, int) report.TraceHop { return report.TraceHop{Reply: report.TraceRefused} }, report.TraceTurnedDown, 1, 1},
		"a loop":  {func(ttl, _ int) report.TraceHop { return router(ttl) }, report.TraceLost, maxHops, maxHops},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := make([]int, maxHops+batch+1) // each TTL has one goroutine
				got := run(t.Context(), target{}, func(ctx context.Context, _ target, ttl int) report.TraceHop {
					try := tries[ttl]
					tries[ttl]++
					hop := test.hop(ttl, try)
					if hop.Reply == report.TraceSilent {
						<-ctx.Done()
					}
					return hop
				})
				if got.Ending != test.ending || len(got.Hops) != test.hops || got.Tried != test.tried {
					t.Errorf("%s after %d of %d hops, want %s, %d, %d", got.Ending, len(got.Hops), got.Tried, test.ending, test.hops, test.tried)
				}
			})
		})
	}
}

// TestBlockedCutOff ends the context while routers up to a hop have answered and the others are still awaited.
func TestBlockedCutOff(t *testing.T) {
	for name, test := range map[string]struct {
		answering, traces, tried int
	}{
		"in the first hops, without an answer":  {answering: 0, traces: 0},
		"in the first hops, after some answers": {answering: 2, traces: 1, tried: 2},
		"in the second hops":                    {answering: batch + 1, traces: 1, tried: batch + 1},
		"between two answers":                   {answering: batch, traces: 1, tried: batch},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), wait/2)
				defer cancel()
				r := blockedReport(1)
				r.Hosts[0].Paths = r.Hosts[0].Paths[:1]
				traces := blocked(ctx, r, func(ctx context.Context, _ target, ttl int) report.TraceHop {
					if ttl <= test.answering {
						return report.TraceHop{Reply: report.TraceExpired, Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(ttl)})}
					}
					<-ctx.Done()
					return report.TraceHop{Reply: report.TraceSilent}
				})
				if len(traces) != test.traces {
					t.Fatalf("%d traces, want %d: %+v", len(traces), test.traces, traces)
				}
				if len(traces) > 0 && (traces[0].Tried != test.tried || len(traces[0].Hops) != test.tried) {
					t.Errorf("%d hops of %d tried, want %d", len(traces[0].Hops), traces[0].Tried, test.tried)
				}
			})
		})
	}
}

// TestBlockedBounded: a report with many paths and a network in which nothing answers.
func TestBlockedBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		traces := blocked(t.Context(), blockedReport(100), func(ctx context.Context, _ target, ttl int) report.TraceHop {
			<-ctx.Done()
			return report.TraceHop{Reply: report.TraceSilent}
		})
		if took := time.Since(began); len(traces) != maxPaths || took > maxTime {
			t.Errorf("%d traces in %v", len(traces), took)
		}
		if got := blocked(t.Context(), blockedReport(1), nil); len(got) != 3 || got[0].Ending != report.TraceUnavailable {
			t.Errorf("%+v on a system that cannot trace", got)
		}
	})
}
