package sockclock

import (
	"net"
	"testing"
	"time"
)

// TestStampsOfKernel leaves an answer unread for a while, as a process without a processor does.
func TestStampsOfKernel(t *testing.T) {
	const late = 60 * time.Millisecond
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			client, server := pair(t, network)
			c := New(client)
			answer := make(chan struct{})
			go func() {
				defer close(answer)
				buf := make([]byte, 1)
				for range 2 {
					_, _ = server.Read(buf)
					_, _ = server.Write(buf)
				}
			}()
			write(c)
			read(t, c) // the kernel stamps from here on
			c.Begin()
			began := time.Now()
			write(c)
			<-answer
			bound := time.Since(began) // the answer is on its way
			wait(late)
			read(t, c)
			if got := c.Elapsed(); got > bound+late/2 {
				t.Errorf("answered within %v, read %v later: %v", bound, late, got)
			}
		})
	}
}

// TestConnectOfKernel finishes the handshake of a connection and looks at it some time later.
func TestConnectOfKernel(t *testing.T) {
	client, _ := pair(t, "tcp")
	took := time.Minute
	info := Info(New(client))
	if got := Connect(info, took); got != info.RTT || got <= 0 || got >= took {
		t.Errorf("%v by %+v", got, info)
	}
	if Info(struct{ net.Conn }{client}) != (TCPInfo{}) {
		t.Error("a connection that is not of package net has a TCP_INFO")
	}
}
