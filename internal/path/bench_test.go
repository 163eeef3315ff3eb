//go:build unix

package path

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// serveBenchmark in the environment makes the test binary a server: of the device's port, of the web's, or of DTLS.
const serveBenchmark = "ENDPOINT_BENCHMARK_SERVER"

// benchmarkServer serves until its standard input ends, and says on its standard output where.
func benchmarkServer() {
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		panic(err)
	}
	leaf, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test", DNSNames: []string{"server.test"}})
	if err != nil {
		panic(err)
	}
	kind := os.Getenv(serveBenchmark)
	if kind == "dtls" {
		server := &lab.DTLSServer{Certificate: leaf}
		if err := server.Listen(context.Background(), netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
			panic(err)
		}
		fmt.Println(server.Address())
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				if kind == "web" {
					_ = (&lab.WebServer{Certificate: leaf}).Serve(context.Background(), conn)
					return
				}
				_ = (&lab.DeviceServer{Certificate: leaf}).Serve(context.Background(), conn)
			}()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// serverProcess starts the server in another process, so that the processor time measured here is only the walk's.
func serverProcess(b *testing.B, kind string) netip.AddrPort {
	b.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), serveBenchmark+"="+kind)
	stdin, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		if err := command.Wait(); err != nil {
			b.Error(err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return netip.MustParseAddrPort(strings.TrimSpace(line))
}

// processorTime is what this process has used, in user and kernel mode.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// benchmarkWalk walks one path again and again and reports, besides the time on the clock, the processor time of this
// process per walk.
func benchmarkWalk(b *testing.B, kind string, target Target) {
	target.Address = serverProcess(b, kind)
	if target.Transport = measurement.TCP; kind == "dtls" {
		target.Transport = measurement.UDP
	}
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	certificate, err := mint.Inspector.Issue(lab.Leaf{CommonName: "client"})
	if err != nil {
		b.Fatal(err)
	}
	w := &Walker{Credential: func() *Credential { return &Credential{Certificate: certificate} }}
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		if o := w.Walk(b.Context(), target); o.Failure != measurement.Completed {
			b.Fatal(describe(o))
		}
	}
	used := processorTime(b) - before
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkDeviceFlight is connect and hello, to the end of the server's flight with its signature verified.
func BenchmarkDeviceFlight(b *testing.B) {
	benchmarkWalk(b, "device", Target{Client: measurement.Device})
}

// BenchmarkDeviceWalk is the whole walk: connect, hello, finish, ping, close.
func BenchmarkDeviceWalk(b *testing.B) {
	benchmarkWalk(b, "device", Target{Client: measurement.Device, Finish: true, Ping: true})
}

// BenchmarkDeviceFlightUDP is the hello, its cookie, and the server's flight with its signature verified.
func BenchmarkDeviceFlightUDP(b *testing.B) {
	benchmarkWalk(b, "dtls", Target{Client: measurement.Device})
}

// BenchmarkDeviceWalkUDP is the whole walk over UDP: hello, finish, ping, close.
func BenchmarkDeviceWalkUDP(b *testing.B) {
	benchmarkWalk(b, "dtls", Target{Client: measurement.Device, Finish: true, Ping: true})
}

// BenchmarkWebWalk is the same by crypto/tls, for comparison.
func BenchmarkWebWalk(b *testing.B) {
	benchmarkWalk(b, "web", Target{Client: measurement.Web, Host: "server.test"})
}

// BenchmarkWaiting reports the memory that a walk holds while it waits for a server that says nothing: heap and
// stack, over TCP with those of the server's side of the connection.
func BenchmarkWaiting(b *testing.B) {
	for _, transport := range []measurement.Transport{measurement.TCP, measurement.UDP} {
		b.Run(string(transport), func(b *testing.B) {
			const walks = 256
			to, heard := silentServer(b, transport)
			for b.Loop() {
				ctx, cancel := context.WithCancel(b.Context())
				var all sync.WaitGroup
				before := memory()
				for range walks {
					all.Go(func() {
						new(Walker).Walk(ctx, Target{Address: to, Transport: transport, Client: measurement.Device})
					})
				}
				for range walks {
					<-heard
				}
				b.ReportMetric(float64(memory()-before)/walks, "B/walk")
				cancel()
				all.Wait()
			}
		})
	}
}

func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// silentServer tells of each hello that came, and answers none.
func silentServer(b *testing.B, transport measurement.Transport) (to netip.AddrPort, heard <-chan struct{}) {
	b.Helper()
	hellos := make(chan struct{}, 1024)
	var all sync.WaitGroup
	b.Cleanup(all.Wait)
	if transport == measurement.UDP {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		all.Go(func() {
			for buf := make([]byte, 2048); ; hellos <- struct{}{} {
				if _, err := conn.Read(buf); err != nil {
					return
				}
			}
		})
		return conn.LocalAddr().(*net.UDPAddr).AddrPort(), hellos
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { // an answer of no bytes: until the walk ends the connection
				defer conn.Close()
				buf := make([]byte, 128)
				if _, err := conn.Read(buf); err == nil {
					hellos <- struct{}{}
					_, _ = conn.Read(buf)
				}
			})
		}
	})
	return listener.Addr().(*net.TCPAddr).AddrPort(), hellos
}
