package lab

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestFaultsOnKernelSockets covers the faults that are made with means of the kernel.
func TestFaultsOnKernelSockets(t *testing.T) {
	l := startLab(t, Options{Hosts: Izuma()[:1]})
	to := l.place(t, "bootstrap", "tcp", NominalDevice).Address
	for _, test := range []struct {
		fault  string
		within time.Duration
		op     string // that fails
		err    error
	}{
		{None, time.Minute, "", nil},
		{Refuse, time.Minute, "dial", syscall.ECONNREFUSED},
		{Drop, 200 * time.Millisecond, "dial", os.ErrDeadlineExceeded}, // a SYN that is not dropped is answered at once
		{ResetAfterHello, time.Minute, "read", syscall.ECONNRESET},
		{Drop, 200 * time.Millisecond, "dial", os.ErrDeadlineExceeded},
		{None, time.Minute, "", nil},
	} {
		if err := l.Set("bootstrap/tcp:5684", test.fault); err != nil {
			t.Fatal(err)
		}
		_, err := wire(t, new(net.Dialer).DialContext, to, deviceHello(t), test.within, 100)
		op := ""
		var failed *net.OpError
		if errors.As(err, &failed) {
			op = failed.Op
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			err = os.ErrDeadlineExceeded
		}
		if !errors.Is(err, test.err) || op != test.op {
			t.Errorf("%s: %s: %v, want %s: %v", test.fault, op, err, test.op, test.err)
		}
	}
}
