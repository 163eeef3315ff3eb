// Package path walks one path to one address as a device does, and returns what it saw as plain data.
//
// A walk is: connect (TCP only), hello, finish, CoAP ping, each with its own clock and its own patience. A device's walk
// is a [Session], over TCP in tcp.go and over UDP in udp.go; web.go walks TCP with a browser's hello. Nothing here judges:
// a certificate signed by somebody else is a completed walk.
package path

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Patience is how long each phase may take before it is called silent or unreachable. When the context's deadline
// comes first the walk is out_of_time instead: nothing is then said about the path.
type Patience struct {
	Connect time.Duration
	Hello   time.Duration // of a TCP path
	Flight  time.Duration // of a UDP path, retransmissions included
	Finish  time.Duration
	Ping    time.Duration // left at 0 it is longer over UDP, for a repetition: see pingUDP
}

// DefaultPatience fits a whole walk, and a second one with a web hello, into a scrape of 10 s after a look-up that took
// all of its own 2.5 s. Connect allows one lost SYN (the kernel repeats it after 1 s) and its answer over a slow link.
// Flight allows one datagram lost in each direction at the first retransmission time of a Linux device (4 s).
var DefaultPatience = Patience{
	Connect: 3 * time.Second,
	Hello:   2 * time.Second,
	Flight:  6500 * time.Millisecond,
	Finish:  2 * time.Second,
	Ping:    2 * time.Second,
}

// pingUDP is the patience of a ping over UDP: it allows one repetition, which comes after 2 to 3 s (RFC 7252 §4.8), and
// its answer.
const pingUDP = 3500 * time.Millisecond

// filled takes DefaultPatience's fields where there are none.
func (p Patience) filled() Patience {
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

// Credential is the client certificate to show to a server that asks.
type Credential struct {
	Certificate tls.Certificate // EC P-256
}

// Walker walks paths. It is safe for concurrent use.
type Walker struct {
	// Dial opens the TCP or connected UDP socket; nil: the kernel's.
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Patience Patience // a zero field takes DefaultPatience's
	// Credential returns the certificate to show; it is asked on each walk that needs one.
	Credential func() *Credential

	retransmission time.Duration // first interval of a UDP flight's retransmission; 0: a device's
}

// Walk walks one path. It returns when the walk, or a second one with a web hello, ended or ctx did.
//
// A device's walk over TCP whose hello failed in a way that a browser's may not is tried once more with a web hello, if
// the target says so.
func (w *Walker) Walk(ctx context.Context, t Target) measurement.Outcome {
	if t.Client == measurement.Web && t.Transport != measurement.UDP {
		return w.walkWeb(ctx, t)
	}
	out := w.walkDevice(ctx, t)
	if t.WebRetry && t.Transport != measurement.UDP && out.FailedIn == measurement.Hello && worthWebHello(out.Failure) && ctx.Err() == nil {
		web := w.walkWeb(ctx, t)
		out.Web = &web
	}
	return out
}

// worthWebHello says after which ends of a device's hello a browser's may show who it was that ended it: a box that does
// not know the device's suite, or does not like its hello.
func worthWebHello(f measurement.Failure) bool {
	switch f {
	case measurement.Alert, measurement.Reset, measurement.Closed, measurement.Silent, measurement.NotTLS:
		return true
	}
	return false
}
