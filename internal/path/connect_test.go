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

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestAFailedConnectSaysWhoseFaultItIs(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want measurement.Failure
	}{
		"RST":                  {syscall.ECONNREFUSED, measurement.Refused},
		"RST by a firewall":    {syscall.ECONNRESET, measurement.Refused},
		"ICMP host":            {syscall.EHOSTUNREACH, measurement.Unreachable},
		"ICMP net":             {syscall.ENETUNREACH, measurement.Unreachable},
		"the kernel gave up":   {syscall.ETIMEDOUT, measurement.Unreachable},
		"patience ran out":     {os.ErrDeadlineExceeded, measurement.Unreachable},
		"no descriptors left":  {syscall.EMFILE, measurement.Internal},
		"no local ports left":  {syscall.EADDRNOTAVAIL, measurement.Internal},
		"our firewall forbids": {syscall.EPERM, measurement.Internal},
		"no buffers left":      {syscall.ENOBUFS, measurement.Internal},
	} {
		for _, client := range []measurement.Client{measurement.Device, measurement.Web} {
			t.Run(fmt.Sprintf("%s/%s", name, client), func(t *testing.T) {
				w := &Walker{Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", test.err)}
				}}
				o := w.Walk(t.Context(), Target{
					Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: measurement.TCP, Client: client, WebRetry: true,
				})
				if o.Failure != test.want || o.FailedIn != measurement.Connect || len(o.Times) > 0 || o.Web != nil || o.Detail.Text == "" {
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
	o := w.Walk(ctx, Target{Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: measurement.TCP, Client: measurement.Device})
	if o.Failure != measurement.OutOfTime {
		t.Errorf("%q (%s), want out_of_time", o.Failure, o.Detail.Text)
	}
}
