package lab

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
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
		err    error
	}{
		{None, time.Minute, nil},
		{Refuse, time.Minute, syscall.ECONNREFUSED},
		{Drop, 200 * time.Millisecond, os.ErrDeadlineExceeded}, // a SYN that is not dropped is answered at once
		{ResetAfterHello, time.Minute, syscall.ECONNRESET},
		{Drop, 200 * time.Millisecond, os.ErrDeadlineExceeded},
		{None, time.Minute, nil},
	} {
		if err := l.Set("bootstrap/tcp:5684", test.fault); err != nil {
			t.Fatal(err)
		}
		_, err := wire(t, new(net.Dialer).DialContext, to, deviceHello(t), test.within, 100)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			err = os.ErrDeadlineExceeded
		}
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v, want %v", test.fault, err, test.err)
		}
	}
}

// TestBlackholeIsFull opens many blackholes at a time: each has a full backlog when it is returned, however loaded the
// machine is.
func TestBlackholeIsFull(t *testing.T) {
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			b, err := openBlackhole(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close()
			if waiting, limit, err := backlogOf(b.listener); err != nil || waiting <= limit || waiting != len(b.fillers) {
				t.Errorf("%d of %d connections wait, %d were opened: %v", waiting, limit, len(b.fillers), err)
			}
		})
	}
	all.Wait()
}
