// Package path probes one network path to one address as a device does, and returns what it observed as plain data.
//
// The phases are connect (TCP only), hello, finish and CoAP ping. Each has its own time limit and its own duration. A
// [Session] runs them one by one with the device's hello, over TCP (tcp.go) or UDP (udp.go); web.go probes TCP with a
// browser's hello. This package gives no verdict: a handshake with an unexpected certificate is complete.
package path

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Patience is how long each phase may take at least before its failure is silent or unreachable. A phase after the
// first exchange with the server may take slowTrips round trips if that is longer. If the context's deadline comes
// first, the failure is out_of_time instead, which says nothing about the path.
type Patience struct {
	Connect time.Duration
	Hello   time.Duration // of a TCP path
	Flight  time.Duration // of a UDP path, retransmissions included
	Finish  time.Duration
	Ping    time.Duration // 0 means pingUDP over UDP, which allows one retransmission
}

// DefaultPatience fits a complete walk, and a second one with a web hello, into a scrape of 10 s. Connect allows one
// lost SYN, which the kernel repeats after 1 s, and its answer over a slow link. Hello and Finish allow two
// retransmissions of a segment. Flight allows one lost datagram in each direction at the first retransmission timer
// of a Linux device (4 s).
var DefaultPatience = Patience{
	Connect: 3 * time.Second,
	Hello:   3 * time.Second,
	Flight:  6500 * time.Millisecond,
	Finish:  3 * time.Second,
	Ping:    2 * time.Second,
}

// slowTrips is the number of measured round trips that a phase may take: enough for one retransmission of a segment.
const slowTrips = 3

// scaled returns how long a phase may take over a path with this round-trip time.
func scaled(patience, trip time.Duration) time.Duration { return max(patience, slowTrips*trip) }

// pingUDP is the default patience of a ping over UDP. It allows one retransmission, which is sent after 2 to 3 s (RFC
// 7252 §4.8), and its answer.
const pingUDP = 3500 * time.Millisecond

// withDefaults replaces zero fields by those of DefaultPatience.
func (p Patience) withDefaults() Patience {
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&p.Connect, DefaultPatience.Connect}, {&p.Hello, DefaultPatience.Hello}, {&p.Flight, DefaultPatience.Flight},
		{&p.Finish, DefaultPatience.Finish}, {&p.Ping, DefaultPatience.Ping},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return p
}

// Credential is the client certificate that is sent to a server that asks for one.
type Credential struct {
	Certificate tls.Certificate // EC P-256
}

// Walker probes paths. It is safe for concurrent use.
type Walker struct {
	// Dial opens the TCP connection or the connected UDP socket; nil means the operating system's.
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Patience Patience // a zero field means that of DefaultPatience
	// Credential returns the certificate to send. It is called once for each walk that needs one.
	Credential func() *Credential

	retransmission time.Duration // first retransmission timer over UDP; 0 means a device's
}

// Walk probes one path. It returns when the walk, and a second one with a web hello if there is one, has ended, or ctx
// has.
//
// A device's walk whose hello failed in a way that a browser's hello may not is repeated with a web hello: over TCP
// if the target has WebRetry, over UDP after a TLS alert.
func (w *Walker) Walk(ctx context.Context, t Target) measurement.Outcome {
	if t.Transport == measurement.UDP {
		return w.walkUDP(ctx, t)
	}
	if t.Client == measurement.Web {
		return w.walkWeb(ctx, t)
	}
	out := walkSession(ctx, w.Session(t), t)
	if t.WebRetry && out.FailedIn == measurement.Hello && webHelloHelps(out.Failure) && ctx.Err() == nil {
		web := w.walkWeb(ctx, t)
		out.Web = &web
	}
	return out
}

// webHelloHelps reports whether a browser's hello may show who ended the device's hello: an inspecting proxy that
// does not support the device's cipher suite, or a firewall that filters by the hello's content.
func webHelloHelps(f measurement.Failure) bool {
	switch f {
	case measurement.Alert, measurement.Reset, measurement.Closed, measurement.Silent, measurement.NotTLS:
		return true
	case measurement.Completed, measurement.Refused, measurement.Unreachable, measurement.HTTP, measurement.Malformed,
		measurement.Unfit, measurement.FinishFailed, measurement.CertificateNeeded, measurement.OutOfTime, measurement.Internal:
	}
	return false
}
