// Package trace finds the hop at which a packet of a blocked path is lost: it sends the packet with increasing IP TTL
// and reads the ICMP errors of routers from the socket's error queue, as tcptraceroute does, without privileges.
package trace

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Bounds of a trace.
const (
	maxHops   = 30
	batch     = 6                // TTLs that are tried at once
	maxSilent = 2 * batch        // hops in a row without an answer after which a trace ends
	tries     = 2                // packets of one TTL, because routers limit the rate of their ICMP errors
	wait      = time.Second      // for the answer to one packet
	maxPaths  = 24               // traced for one report
	atOnce    = 6                // paths traced at once
	maxTime   = 45 * time.Second // for all paths
)

// probe sends one packet with a TTL and waits for what answers. It returns at the end of the context.
type probe func(ctx context.Context, target target, ttl int) report.TraceHop

// silent is the result of a packet that nothing answers.
var silent = report.TraceHop{Reply: report.TraceSilent}

// target is a packet and where it goes.
type target struct {
	report.Trace
	hello []byte // for TraceHello and TraceDatagram
}

// BlockedPaths traces the blocked paths of a report, each to its first address. It takes at most 45 s. A path for which
// the context ended before anything was learned has no trace.
func BlockedPaths(ctx context.Context, r *report.Report) []report.Trace {
	return blocked(ctx, r, kernelProbe)
}

func blocked(ctx context.Context, r *report.Report, send probe) []report.Trace {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	targets := targetsOf(r)
	traces := make([]report.Trace, len(targets))
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i := range targets {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			traces[i] = run(ctx, targets[i], send)
		})
	}
	running.Wait()
	return slices.DeleteFunc(traces, func(t report.Trace) bool { return t.Ending == report.TraceLost && t.Tried == 0 })
}

// targetsOf lists the blocked paths that have an address.
func targetsOf(r *report.Report) []target {
	var out []target
	for h, p := range r.Paths() {
		if p.Finding.Reason.Class() != reason.Blocked || len(p.Walks) == 0 || len(out) == maxPaths {
			continue
		}
		walk := &p.Walks[0]
		t := target{Trace: report.Trace{Host: h.Endpoint.Host, Path: p.Path, Address: walk.Outcome.Address.Addr().Unmap()}}
		var random [32]byte
		_, _ = rand.Read(random[:]) // never fails
		switch _, connected := walk.Outcome.Took(measurement.Connect); {
		case p.Transport == measurement.UDP:
			t.Packet, t.hello = report.TraceDatagram, devicedtls.Hello(random, nil, true)
		case connected:
			t.Packet, t.hello = report.TraceHello, devicetls.Hello(random)
		default:
			t.Packet = report.TraceSYN
		}
		out = append(out, t)
	}
	return out
}

// run traces one path.
func run(ctx context.Context, t target, send probe) report.Trace {
	out := t.Trace
	if send == nil {
		out.Ending = report.TraceUnavailable
		return out
	}
	for unanswered := 0; len(out.Hops) < maxHops && unanswered < maxSilent && ctx.Err() == nil; {
		hops := make([]report.TraceHop, batch)
		var waiting sync.WaitGroup
		for i := range hops {
			waiting.Go(func() { hops[i] = repeat(ctx, t, len(out.Hops)+i+1, send) })
		}
		waiting.Wait()
		if ctx.Err() != nil { // the silent hops were not tried to their end
			hops = untilLastAnswer(hops)
		}
		for _, hop := range hops {
			out.Hops = append(out.Hops, hop)
			unanswered++
			if hop.Reply != report.TraceSilent {
				unanswered = 0
			}
			if ending, ends := endings[hop.Reply]; ends {
				out.Ending, out.Tried = ending, len(out.Hops)
				return out
			}
		}
	}
	out.Tried = len(out.Hops)
	out.Hops, out.Ending = slices.Clip(untilLastAnswer(out.Hops)), report.TraceLost
	return out
}

// untilLastAnswer returns the hops without the silent ones at the end.
func untilLastAnswer(hops []report.TraceHop) []report.TraceHop {
	last := len(hops)
	for last > 0 && hops[last-1].Reply == report.TraceSilent {
		last--
	}
	return hops[:last]
}

// repeat sends packets of one TTL until something answers.
func repeat(ctx context.Context, t target, ttl int, send probe) report.TraceHop {
	for i := 0; i < tries && ctx.Err() == nil; i++ {
		try, cancel := context.WithTimeout(ctx, wait)
		hop := send(try, t, ttl)
		cancel()
		if hop.Reply != report.TraceSilent {
			return hop
		}
	}
	return silent
}

// endings are the endings of a trace by the reply that ends it. After other replies it goes on.
var endings = map[report.TraceReply]report.TraceEnding{
	report.TraceRejected: report.TraceStopped,
	report.TraceRefused:  report.TraceTurnedDown,
	report.TraceAnswered: report.TraceArrived,
}
