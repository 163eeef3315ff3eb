package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// blackhole is an address and port whose SYNs are dropped. It needs no privilege and no packet filter: it listens with
// the least backlog, accepts nothing, and fills the backlog with connections of its own. A kernel drops the SYN of a
// further connection without a word, in the hope that there will be room when the SYN is sent again.
type blackhole struct {
	listener *net.TCPListener
	fillers  []net.Conn
}

const (
	// fillWait is how long a connection on loopback may take before the backlog counts as full: a SYN that is not
	// dropped is answered within the call.
	fillWait = 60 * time.Millisecond
	// maxFillers is more than any kernel's least backlog.
	maxFillers = 16
)

var errBacklog = errors.New("the backlog does not fill")

func openBlackhole(ctx context.Context, address netip.AddrPort) (*blackhole, error) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
	if err != nil {
		return nil, fmt.Errorf("listen without accepting: %w", err)
	}
	b := &blackhole{listener: listener}
	if err := shrinkBacklog(listener); err != nil {
		b.close()
		return nil, fmt.Errorf("shrink backlog: %w", err)
	}
	dialer := net.Dialer{Timeout: fillWait}
	for range maxFillers {
		conn, err := dialer.DialContext(ctx, "tcp", listener.Addr().String())
		if err != nil {
			return b, nil //nolint:nilerr // it is full: that is what was wanted
		}
		b.fillers = append(b.fillers, conn)
	}
	b.close()
	return nil, errBacklog
}

func (b *blackhole) close() {
	b.listener.Close()
	for _, conn := range b.fillers {
		conn.Close()
	}
}
