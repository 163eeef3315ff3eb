package path

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// answering listens on loopback and gives each connection to serve, after which it is closed.
func answering(t *testing.T, serve func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// answeringUDP answers each datagram on a port of loopback.
func answeringUDP(t *testing.T, answer []byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			_, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if answer != nil {
				_, _ = conn.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestWalkLeaks walks many failing paths, which end in each phase, over the kernel's sockets and counts what stays
// open.
func TestWalkLeaks(t *testing.T) {
	type path struct {
		target Target
		want   measurement.Failure
	}
	paths := make(map[string]path)
	for name, test := range map[string]struct {
		end  func(*net.TCPConn)
		want measurement.Failure
	}{
		"closed":  {func(*net.TCPConn) {}, measurement.Closed},
		"reset":   {func(c *net.TCPConn) { _ = c.SetLinger(0) }, measurement.Reset},
		"alert":   {func(c *net.TCPConn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 40}) }, measurement.Alert},
		"not TLS": {func(c *net.TCPConn) { _, _ = c.Write([]byte("HTTP/1.1 403 Forbidden\r\n")) }, measurement.HTTP},
	} {
		to := answering(t, func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 4096))
			test.end(c)
		})
		paths["tcp/"+name] = path{Target{Address: to, Transport: measurement.TCP, Client: measurement.Device, WebRetry: true, Host: "x.test"}, test.want}
	}
	for name, test := range map[string]path{
		"silent":    {Target{Address: answeringUDP(t, nil)}, measurement.Silent},
		"not DTLS":  {Target{Address: answeringUDP(t, []byte("who are you?"))}, measurement.NotTLS},
		"alert":     {Target{Address: answeringUDP(t, []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40})}, measurement.Alert},
		"malformed": {Target{Address: answeringUDP(t, append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 11}, make([]byte, 11)...))}, measurement.Malformed},
	} {
		test.target.Transport = measurement.UDP
		paths["udp/"+name] = test
	}
	l := labtest.Start(t, deviceHost())
	if err := l.Set("bootstrap/tcp", lab.NoPong); err != nil {
		t.Fatal(err)
	}
	paths["tcp/no answer to the ping"] = path{
		Target{Address: addressOf(t, l, bootstrap, measurement.TCP), Transport: measurement.TCP, Finish: true, Ping: true}, measurement.Completed,
	}
	// Not through the lab's relay, which holds a socket for each client.
	mute := &lab.DTLSServer{Certificate: leafOf(t, lab.Leaf{CommonName: "server.test"}), CoAP: lab.CoAP{Mute: true}}
	ctx, cancel := context.WithCancel(t.Context())
	if err := mute.Listen(ctx, netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		mute.Close()
	})
	paths["udp/no answer to the ping"] = path{
		Target{Address: mute.Address(), Transport: measurement.UDP, Finish: true, Ping: true}, measurement.Completed,
	}
	const long = 30 * time.Second
	for name, test := range paths {
		t.Run(name, func(t *testing.T) {
			patience := Patience{Connect: long, Hello: long, Flight: long, Finish: long, Ping: time.Millisecond}
			if test.want == measurement.Silent || test.want == measurement.NotTLS {
				patience.Flight = time.Millisecond
			}
			w := &Walker{Patience: patience, Credential: clientCertificate(t, l)}
			before, running := descriptors(t), runtime.NumGoroutine()
			for range 50 {
				o := w.Walk(t.Context(), test.target)
				if slices.Contains(phasesOf(o), measurement.Ping) {
					t.Fatal("the ping was answered")
				}
				if o.Failure != test.want && (test.want != measurement.NotTLS || o.Failure != measurement.Silent) { // no answer within 1 ms
					t.Fatalf("%s, want %q", describe(o), test.want)
				}
			}
			for range 3000 { // the servers take a moment to close their own ends
				if descriptors(t) <= before+2 && runtime.NumGoroutine() <= running+2 {
					return
				}
				<-time.After(10 * time.Millisecond)
			}
			t.Errorf("%d descriptors open before, %d after; %d goroutines before, %d after", before, descriptors(t), running, runtime.NumGoroutine())
		})
	}
}
