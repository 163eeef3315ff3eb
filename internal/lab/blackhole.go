package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// blackhole is an address and port whose SYNs the kernel drops. It needs no privilege and no packet filter: it
// listens with a backlog of 0, accepts nothing, and fills the backlog itself. Linux drops the SYN of a further
// connection, so that the client sends it again.
type blackhole struct {
	listener *net.TCPListener
	fillers  []net.Conn
}

const (
	// maxFillers is more than a backlog of 0 holds: Linux takes one connection more than the backlog.
	maxFillers = 4
	// backlogPoll is how often the kernel is asked for the length of the backlog.
	backlogPoll = time.Millisecond
)

var errBacklog = errors.New("the backlog does not fill")

// openBlackhole returns once the kernel reports that the backlog is full.
func openBlackhole(ctx context.Context, address netip.AddrPort) (*blackhole, error) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
	if err != nil {
		return nil, fmt.Errorf("listen without accepting: %w", err)
	}
	b := &blackhole{listener: listener}
	if err := b.fill(ctx); err != nil {
		return nil, fmt.Errorf("fill the backlog: %w", errors.Join(err, b.Close()))
	}
	return b, nil
}

func (b *blackhole) fill(ctx context.Context) error {
	if err := shrinkBacklog(b.listener); err != nil {
		return err
	}
	for range maxFillers {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", b.listener.Addr().String())
		if err != nil {
			return err
		}
		b.fillers = append(b.fillers, conn)
		switch full, err := b.full(ctx); {
		case err != nil:
			return err
		case full:
			return nil
		}
	}
	return errBacklog
}

// full waits until the listener's queue holds every filler, since a client's connection stands before its last ACK is
// handled, and reports whether the backlog is then full.
func (b *blackhole) full(ctx context.Context) (bool, error) {
	tick := time.NewTicker(backlogPoll)
	defer tick.Stop()
	for {
		waiting, limit, err := backlogOf(b.listener)
		if err != nil {
			return false, err
		}
		if waiting >= len(b.fillers) {
			return waiting > limit, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// Close frees the address.
func (b *blackhole) Close() error {
	for _, conn := range b.fillers {
		conn.Close()
	}
	return b.listener.Close()
}
