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
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// serveBenchmark in the environment makes the test binary a server: of the device's port, or of the web's.
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	web := os.Getenv(serveBenchmark) == "web"
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				if web {
					_ = (&lab.WebServer{Certificate: leaf}).Serve(context.Background(), conn)
					return
				}
				_ = (&lab.DeviceServer{Certificate: leaf}).Serve(context.Background(), conn)
			}()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// serverProcess starts the server as a process of its own, so that the processor time measured here is the walk's alone.
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
	target.Transport = evidence.TCP
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	certificate, err := mint.Inspector.Issue(lab.Leaf{CommonName: "any stranger"})
	if err != nil {
		b.Fatal(err)
	}
	w := &Walker{Credential: func() *Credential { return &Credential{Certificate: certificate} }}
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		if o := w.Walk(b.Context(), target); o.Failure != evidence.Completed {
			b.Fatalf("%q in %q (%s)", o.Failure, o.FailedIn, o.Detail)
		}
	}
	used := processorTime(b) - before
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkDeviceFlight is connect and hello, to the end of the server's flight with its signature verified.
func BenchmarkDeviceFlight(b *testing.B) {
	benchmarkWalk(b, "device", Target{Client: evidence.Device})
}

// BenchmarkDeviceWalk is the whole walk: connect, hello, finish, ping, close.
func BenchmarkDeviceWalk(b *testing.B) {
	benchmarkWalk(b, "device", Target{Client: evidence.Device, Finish: true, Ping: true})
}

// BenchmarkWebWalk is the same by crypto/tls, for comparison.
func BenchmarkWebWalk(b *testing.B) {
	benchmarkWalk(b, "web", Target{Client: evidence.Web, Host: "server.test"})
}
