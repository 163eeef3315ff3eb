package path

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
)

func TestPingTwice(t *testing.T) {
	overBoth(t, func(t *testing.T, transport measurement.Transport) {
		inWorld(t, deviceHost(), func(t *testing.T, w *world) {
			s := w.openSession(t, transport)
			for range 2 {
				if err := s.Ping(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := s.Listen(after(t, 5*time.Minute)); err != nil {
					t.Fatalf("listen: %v, want silence", err)
				}
			}
		})
	})
}

func TestPingFraming(t *testing.T) {
	for _, server := range []measurement.Framing{measurement.RFC7252, measurement.RFC8323} {
		for _, client := range []measurement.Framing{measurement.RFC7252, measurement.RFC8323} {
			t.Run(string(client)+" to "+string(server), func(t *testing.T) {
				o := deviceHost()
				o.CoAP.Framed = server == measurement.RFC8323
				inWorld(t, o, func(t *testing.T, w *world) {
					var want error
					if client != server {
						want = ErrNoPong
					}
					target := w.target(t, measurement.TCP)
					target.Framing = client
					s := w.walker.Session(target)
					defer s.Close()
					if !s.Connect(t.Context()) || !s.Hello(t.Context()) || !s.Finish(t.Context()) {
						t.Fatalf("no session: %s", describe(s.Outcome()))
					}
					for range 2 {
						if err := s.Ping(t.Context()); !errors.Is(err, want) || want == nil && err != nil {
							t.Errorf("ping: %v, want %v", err, want)
						}
					}
					kind := measurement.DetailKind("")
					if client == measurement.RFC7252 && server == measurement.RFC8323 {
						kind = measurement.DetailFramingRFC8323
					}
					if o := s.Outcome(); o.Failure != measurement.Completed || o.Ponged != (want == nil) || o.Detail.Kind != kind {
						t.Errorf("%s, ponged %v, want detail %q", describe(o), o.Ponged, kind)
					}
				})
			})
		}
	}
}

func TestPingTooLateToSend(t *testing.T) {
	overBoth(t, func(t *testing.T, transport measurement.Transport) {
		inWorld(t, deviceHost(), func(t *testing.T, w *world) {
			w.walker.Dial = w.lateAfterFinish(w.network.Dial)
			s := w.openSession(t, transport)
			err := s.Ping(t.Context())
			if o := s.Outcome(); !errors.Is(err, ErrUnsent) || o.Pinged || o.Failure != measurement.Completed {
				t.Errorf("ping: %v, pinged %v, %s; want ErrUnsent", err, o.Pinged, describe(o))
			}
		})
	})
}

// lateAfterFinish dials connections on which a phase of the ping's length begins late: its deadline is over at once.
func (w *world) lateAfterFinish(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	w.walker.Patience.Ping = 77 * time.Second
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &lateConn{conn}, err
	}
}

// lateConn is a connection of a machine that is suspended when a deadline of 77 s is set.
type lateConn struct{ net.Conn }

func (c *lateConn) SetDeadline(at time.Time) error {
	if time.Until(at) == 77*time.Second {
		at = time.Now()
	}
	return c.Conn.SetDeadline(at)
}

func TestPingAfterPathIsLost(t *testing.T) {
	for _, test := range []struct {
		transport measurement.Transport
		fault     string
		want      error
	}{
		{measurement.TCP, lab.NATForgets + ":2s", ErrNoPong},
		{measurement.TCP, lab.NATResets + ":2s", ErrCut},
		{measurement.UDP, lab.NATForgets + ":2s", ErrNoPong},
	} {
		t.Run(string(test.transport)+"/"+test.fault, func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				inflict(t, w.Lab, bootstrap, test.transport, test.fault)
				s := w.openSession(t, test.transport)
				if err := s.Ping(t.Context()); err != nil {
					t.Fatalf("the first ping: %v", err)
				}
				if err := s.Listen(after(t, 2500*time.Millisecond)); err != nil {
					t.Fatalf("listen: %v, want silence", err)
				}
				if err := s.Ping(t.Context()); !errors.Is(err, test.want) {
					t.Errorf("ping after the silence: %v, want %v", err, test.want)
				}
				if o := s.Outcome(); o.Failure != measurement.Completed || o.Ponged || !o.Pinged {
					t.Errorf("a lost ping must not fail the walk: %s", describe(o))
				}
			})
		})
	}
	t.Run("udp/port closed", func(t *testing.T) {
		inWorld(t, deviceHost(), func(t *testing.T, w *world) {
			s := w.openSession(t, measurement.UDP)
			inflict(t, w.Lab, bootstrap, measurement.UDP, lab.Refuse)
			if err := s.Ping(t.Context()); !errors.Is(err, ErrCut) {
				t.Errorf("ping: %v, want ErrCut", err)
			}
		})
	})
}

// idleLimit is after how long of silence the servers of these tests end a session.
const idleLimit = 2 * time.Minute

func TestListenUntilServerEnds(t *testing.T) {
	overBoth(t, func(t *testing.T, transport measurement.Transport) {
		o := deviceHost()
		o.IdleLimit = idleLimit
		inWorld(t, o, func(t *testing.T, w *world) {
			s := w.openSession(t, transport)
			if err := s.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			started := time.Now()
			if err := s.Listen(after(t, time.Hour)); !errors.Is(err, ErrEnded) {
				t.Errorf("listen: %v, want ErrEnded", err)
			}
			if took := time.Since(started).Round(time.Second); took != idleLimit {
				t.Errorf("ended after %v, want %v", took, idleLimit)
			}
			if err := s.Ping(t.Context()); err == nil {
				t.Error("a session that was ended was pinged")
			}
		})
	})
}

func TestListenBeforeHello(t *testing.T) {
	overBoth(t, func(t *testing.T, transport measurement.Transport) {
		inWorld(t, deviceHost(), func(t *testing.T, w *world) {
			s := w.walker.Session(w.target(t, transport))
			defer s.Close()
			if !s.Connect(t.Context()) {
				t.Fatal(describe(s.Outcome()))
			}
			if err := s.Listen(after(t, time.Minute)); err != nil {
				t.Fatalf("listen: %v, want silence", err)
			}
			if !s.Hello(t.Context()) {
				t.Errorf("hello after a silence: %s", describe(s.Outcome()))
			}
		})
	})
}

func TestListenICMP(t *testing.T) {
	for name, test := range map[string]struct {
		errs []error
		want error
	}{
		"port unreachable: cut":     {[]error{syscall.EHOSTUNREACH, syscall.ECONNREFUSED}, ErrCut},
		"host unreachable: ignored": {[]error{syscall.EHOSTUNREACH}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &fakeConn{changed: make(chan struct{}), errs: test.errs}
				w := &Walker{Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
				s := w.Session(Target{Transport: measurement.UDP})
				defer s.Close()
				if !s.Connect(t.Context()) {
					t.Fatal(describe(s.Outcome()))
				}
				if err := s.Listen(after(t, time.Hour)); !errors.Is(err, test.want) || test.want == nil && err != nil {
					t.Errorf("listen: %v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestWalkRoundEnds(t *testing.T) {
	for _, test := range []struct {
		fault     string
		transport measurement.Transport
		client    measurement.Client
		host      string
		in        measurement.Phase
		detail    measurement.DetailKind
	}{
		{lab.Drop, measurement.TCP, measurement.Device, bootstrap, measurement.Connect, measurement.DetailConnectDeadline},
		{lab.Silence, measurement.TCP, measurement.Device, bootstrap, measurement.Hello, measurement.DetailHelloDeadline},
		{lab.Drip, measurement.TCP, measurement.Device, bootstrap, measurement.Hello, measurement.DetailFlightDeadline},
		{lab.Silence, measurement.TCP, measurement.Web, containers, measurement.Hello, measurement.DetailWebDeadline},
		{lab.NoPong, measurement.TCP, measurement.Device, bootstrap, measurement.Ping, measurement.DetailPingDeadline},
		{lab.Drop, measurement.UDP, measurement.Device, bootstrap, measurement.Hello, measurement.DetailHelloDeadline},
		{lab.NoAnswerAfter, measurement.UDP, measurement.Device, bootstrap, measurement.Hello, measurement.DetailFlightDeadline},
		{lab.NoPong, measurement.UDP, measurement.Device, bootstrap, measurement.Ping, measurement.DetailPingDeadline},
	} {
		for name, end := range map[string]func(context.Context, time.Duration) (context.Context, context.CancelFunc){
			"deadline": context.WithTimeout,
			"cancelled": func(ctx context.Context, round time.Duration) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(round, cancel)
				return ctx, cancel
			},
		} {
			t.Run(test.fault+"/"+string(test.transport)+"/"+string(test.client)+"/"+name, func(t *testing.T) {
				inWorld(t, lab.Options{Hosts: lab.Izuma()[:2]}, func(t *testing.T, w *world) {
					inflict(t, w.Lab, test.host, test.transport, test.fault)
					const round, long = 2 * time.Second, time.Minute
					ctx, cancel := end(t.Context(), round)
					defer cancel()
					w.walker.Patience = Patience{Connect: long, Hello: long, Flight: long, Finish: long, Ping: long}
					started := time.Now()
					o := w.walker.Walk(ctx, Target{
						Address: addressOf(t, w.Lab, test.host, test.transport), Transport: test.transport, Client: test.client, Host: test.host,
						Finish: true, Ping: true, WebRetry: true,
					})
					if o.Failure != measurement.OutOfTime || o.FailedIn != test.in || o.Detail.Kind != test.detail || o.Web != nil {
						t.Errorf("%s, web %v; want out_of_time in %q (%s)", describe(o), o.Web, test.in, test.detail)
					}
					if took := time.Since(started); took != round {
						t.Errorf("the walk took %v, want %v", took, round)
					}
				})
			})
		}
	}
}

// gatheringConn returns everything that the server sends until it closes in one read.
type gatheringConn struct{ net.Conn }

func (g gatheringConn) Read(b []byte) (total int, err error) {
	for err == nil {
		var n int
		n, err = g.Conn.Read(b[total:])
		total += n
	}
	return total, err
}

// endedConn is a connection that must not be read again.
type endedConn struct {
	net.Conn
	t *testing.T
}

func (e endedConn) Read([]byte) (int, error) {
	e.t.Error("read after close_notify")
	return 0, os.ErrDeadlineExceeded
}

// joiningConn returns two datagrams in one read.
type joiningConn struct{ net.Conn }

func (j joiningConn) Read(b []byte) (int, error) {
	first, err := j.Conn.Read(b)
	if err != nil {
		return first, err
	}
	second, err := j.Conn.Read(b[first:])
	return first + second, err
}

func TestPongWithCloseNotifyUDP(t *testing.T) {
	o := deviceHost()
	o.IdleLimit = time.Second
	inWorld(t, o, func(t *testing.T, w *world) {
		s := w.openSession(t, measurement.UDP).(*udpSession)
		s.conn = sockclock.New(joiningConn{s.conn})
		if err := s.Ping(t.Context()); err != nil || !s.Outcome().Ponged {
			t.Errorf("ping: %v", err)
		}
		s.conn = sockclock.New(endedConn{s.conn, t})
		if err := s.Listen(after(t, time.Second)); !errors.Is(err, ErrEnded) {
			t.Errorf("listen: %v, want ErrEnded", err)
		}
		if err := s.Ping(t.Context()); !errors.Is(err, ErrEnded) {
			t.Errorf("the next ping: %v, want ErrEnded", err)
		}
	})
}

func TestPongWithCloseNotifyTCP(t *testing.T) {
	o := deviceHost()
	o.IdleLimit = time.Second
	inWorld(t, o, func(t *testing.T, w *world) {
		s := w.openSession(t, measurement.TCP).(*tcpSession)
		s.conn = sockclock.New(gatheringConn{s.conn})
		if err := s.Ping(t.Context()); err != nil || !s.Outcome().Ponged {
			t.Errorf("ping: %v", err)
		}
		s.conn = sockclock.New(endedConn{s.conn, t})
		if err := s.Ping(t.Context()); !errors.Is(err, ErrEnded) {
			t.Errorf("the next ping: %v, want ErrEnded", err)
		}
	})
}

// TestWalkEndedAfterFinished: a server that ends the session at once is distinguished from one that ignores the ping.
func TestWalkEndedAfterFinished(t *testing.T) {
	for name, test := range map[string]struct {
		idleLimit time.Duration
		fault     string
		ended     bool
		detail    measurement.DetailKind
	}{
		"close_notify behind Finished: ended": {100 * time.Microsecond, lab.None, true, measurement.DetailSessionEnded},
		"ping ignored: not ended":             {0, lab.NoPong, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport measurement.Transport) {
				o := deviceHost()
				o.IdleLimit = test.idleLimit
				inWorld(t, o, func(t *testing.T, w *world) {
					inflict(t, w.Lab, bootstrap, transport, test.fault)
					o := w.walker.Walk(t.Context(), w.target(t, transport))
					if _, finished := o.Took(measurement.Finish); !finished || o.Failure != measurement.Completed || o.Ponged || o.Ended != test.ended || o.Detail.Kind != test.detail {
						t.Errorf("%s, ponged %v, ended %v", describe(o), o.Ponged, o.Ended)
					}
				})
			})
		})
	}
}

func TestFinishFailureOfAlerts(t *testing.T) {
	for name, test := range map[string]struct {
		alert     uint8
		requested bool
		end       finishEnd
		want      measurement.Failure
	}{
		"handshake_failure after the certificate: refused":  {40, true, finishEnd{}, measurement.CertificateNeeded},
		"without a certificate: not refused":                {40, false, finishEnd{}, measurement.FinishFailed},
		"after ChangeCipherSpec: not refused":               {40, true, finishEnd{accepted: true}, measurement.FinishFailed},
		"signature algorithm not accepted: not refused":     {40, true, finishEnd{refuses: true}, measurement.FinishFailed},
		"an alert about the protocol: not refused":          {51, true, finishEnd{}, measurement.FinishFailed},
		"close_notify, delivery unknown: refused, unproven": {0, true, finishEnd{}, measurement.CertificateNeeded},
	} {
		t.Run(name, func(t *testing.T) {
			test.end.err = &devicetls.AlertError{Level: 2, Description: test.alert}
			out := measurement.Outcome{TLS: &measurement.TLS{CertificateRequested: test.requested}}
			failure, _, unproven := finishFailure(&out, test.end)
			if failure != test.want || unproven != (test.alert == 0) {
				t.Errorf("%q, unproven %v; want %q", failure, unproven, test.want)
			}
		})
	}
}
