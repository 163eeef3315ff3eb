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

func TestConnectFailure(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		want   measurement.Failure
		detail measurement.DetailKind
	}{
		"RST: refused":                        {syscall.ECONNREFUSED, measurement.Refused, measurement.DetailConnectRST},
		"reset: refused":                      {syscall.ECONNRESET, measurement.Refused, measurement.DetailConnectRST},
		"ICMP host unreachable: unreachable":  {syscall.EHOSTUNREACH, measurement.Unreachable, measurement.DetailConnectFailed},
		"ICMP net unreachable: unreachable":   {syscall.ENETUNREACH, measurement.Unreachable, measurement.DetailConnectFailed},
		"time-out of the kernel: unreachable": {syscall.ETIMEDOUT, measurement.Unreachable, measurement.DetailConnectSilent},
		"time-out of the phase: unreachable":  {os.ErrDeadlineExceeded, measurement.Unreachable, measurement.DetailConnectSilent},
		"no descriptors left: internal":       {syscall.EMFILE, measurement.Internal, measurement.DetailSocketFailed},
		"no local ports left: internal":       {syscall.EADDRNOTAVAIL, measurement.Internal, measurement.DetailSocketFailed},
		"local packet filter: unreachable":    {syscall.EPERM, measurement.Unreachable, measurement.DetailPacketFilter},
		"no free port over UDP: internal":     {syscall.EAGAIN, measurement.Internal, measurement.DetailSocketFailed},
		"ICMPv6 prohibited: unreachable":      {syscall.EACCES, measurement.Unreachable, measurement.DetailConnectFailed},
		"no buffers left: internal":           {syscall.ENOBUFS, measurement.Internal, measurement.DetailSocketFailed},
	} {
		for _, client := range []measurement.Client{measurement.Device, measurement.Web} {
			t.Run(fmt.Sprintf("%s/%s", name, client), func(t *testing.T) {
				w := &Walker{Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", test.err)}
				}}
				o := w.Walk(t.Context(), Target{
					Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: measurement.TCP, Client: client, WebRetry: true,
				})
				if o.Failure != test.want || o.FailedIn != measurement.Connect || o.Detail.Kind != test.detail || len(o.Times) > 0 || o.Web != nil {
					t.Errorf("%s, want %q in connect (%s)", describe(o), test.want, test.detail)
				}
			})
		}
	}
}

func TestConnectRoundEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &Walker{Dial: func(context.Context, string, string) (net.Conn, error) {
		cancel()
		return nil, errors.New("operation was canceled")
	}}
	o := w.Walk(ctx, Target{Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: measurement.TCP, Client: measurement.Device})
	if o.Failure != measurement.OutOfTime || o.Detail.Kind != measurement.DetailConnectDeadline {
		t.Errorf("%s, want out_of_time", describe(o))
	}
}
