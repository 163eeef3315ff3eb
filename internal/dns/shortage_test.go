package dns

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// failingConn fails every write.
type failingConn struct {
	net.Conn
	err error
}

func (c failingConn) Write([]byte) (int, error) { return 0, c.err }

// TestExchangeErrno has each call fail with the error of the system: a shortage of this machine is no statement about the server.
func TestExchangeErrno(t *testing.T) {
	for _, test := range []struct {
		name    string
		call    string
		errno   syscall.Errno
		failure measurement.DNSFailure
		kind    measurement.DetailKind
	}{
		{"no descriptor: out of time", "socket", syscall.EMFILE, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"no free UDP port: out of time", "connect", syscall.EAGAIN, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"no source address: out of time", "connect", syscall.EADDRNOTAVAIL, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"no buffers: out of time", "sendto", syscall.ENOBUFS, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"a full buffer: out of time", "sendto", syscall.EAGAIN, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"no route: unreachable", "connect", syscall.ENETUNREACH, measurement.DNSUnreachable, measurement.DNSDetailUnreachable},
		{"packet filter: unreachable", "sendto", syscall.EPERM, measurement.DNSUnreachable, measurement.DNSDetailUnreachable},
		{"ICMP port unreachable: unreachable", "sendto", syscall.ECONNREFUSED, measurement.DNSUnreachable, measurement.DNSDetailUnreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := &net.OpError{Op: test.call, Err: os.NewSyscallError(test.call, test.errno)}
				client := &Client{Dial: func(context.Context, string, string) (net.Conn, error) {
					if test.call != "sendto" {
						return nil, err
					}
					near, far := net.Pipe()
					t.Cleanup(func() { far.Close() })
					return failingConn{near, err}, nil
				}}
				r := client.Exchange(context.Background(), somewhere, asked)
				if r.Failure != test.failure || r.Detail.Kind != test.kind || r.Detail.Text == "" {
					t.Errorf("%q (%+v)", r.Failure, r.Detail)
				}
			})
		})
	}
}
