package path

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
)

func TestAFailedConnectSaysWhoseFaultItIs(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want evidence.Failure
	}{
		"RST":                  {syscall.ECONNREFUSED, evidence.Refused},
		"RST by a firewall":    {syscall.ECONNRESET, evidence.Refused},
		"ICMP host":            {syscall.EHOSTUNREACH, evidence.Unreachable},
		"ICMP net":             {syscall.ENETUNREACH, evidence.Unreachable},
		"the kernel gave up":   {syscall.ETIMEDOUT, evidence.Unreachable},
		"patience ran out":     {os.ErrDeadlineExceeded, evidence.Unreachable},
		"no descriptors left":  {syscall.EMFILE, evidence.Internal},
		"no local ports left":  {syscall.EADDRNOTAVAIL, evidence.Internal},
		"our firewall forbids": {syscall.EPERM, evidence.Internal},
		"no buffers left":      {syscall.ENOBUFS, evidence.Internal},
	} {
		for _, client := range []evidence.Client{evidence.Device, evidence.Web} {
			t.Run(fmt.Sprintf("%s/%s", name, client), func(t *testing.T) {
				w := &Walker{Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", test.err)}
				}}
				o := w.Walk(t.Context(), Target{
					Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: evidence.TCP, Client: client, WebRetry: true,
				})
				if o.Failure != test.want || o.FailedIn != evidence.Connect || len(o.Times) > 0 || o.Web != nil || o.Detail == "" {
					t.Errorf("%+v, want %q in connect", o, test.want)
				}
			})
		}
	}
}

func TestAConnectThatTheRoundCutsOffIsOutOfTimeWhateverTheError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &Walker{Dial: func(context.Context, string, string) (net.Conn, error) {
		cancel()
		return nil, errors.New("operation was canceled")
	}}
	o := w.Walk(ctx, Target{Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: evidence.TCP, Client: evidence.Device})
	if o.Failure != evidence.OutOfTime {
		t.Errorf("%q (%s), want out_of_time", o.Failure, o.Detail)
	}
}
