//go:build unix

package survey

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// serveBenchmark in the environment makes the test binary a server of the device's port.
const serveBenchmark = "ENDPOINT_BENCHMARK_SERVER"

// benchmarkServer serves on every address of loopback until its standard input ends, and writes to its
// standard output the port, a second port that accepts connections and says nothing, and its authority.
func benchmarkServer() {
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		panic(err)
	}
	leaf, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test"})
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		panic(err)
	}
	silent, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port, silent.Addr().(*net.TCPAddr).Port, base64.StdEncoding.EncodeToString(mint.Bootstrap.PEM()))
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() }()
		}
	}()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = (&lab.DeviceServer{Certificate: leaf}).Serve(context.Background(), conn) }()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// BenchmarkRun makes rounds of many hosts over the kernel's sockets, with a device's hello over TCP. It reports the
// paths without a verdict after 9.5 s, and the processor time of this process per path.
func BenchmarkRun(b *testing.B) {
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), serveBenchmark+"=1")
	stdin, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = stdin.Close(); _ = server.Wait() }()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	var healthy, silent uint16
	var authority []byte
	if _, err := fmt.Sscan(strings.TrimSpace(line), &healthy, &silent, &authority); err != nil {
		b.Fatal(err)
	}
	if authority, err = base64.StdEncoding.AppendDecode(nil, authority); err != nil {
		b.Fatal(err)
	}
	for _, test := range []struct {
		name           string
		hosts, silent1 int // one of silent1 hosts is silent
	}{
		{"1000 healthy", 1000, 0},
		{"10000 healthy", 10000, 0},
		{"1000, half of them silent", 1000, 2},
	} {
		b.Run(test.name, func(b *testing.B) {
			cfg := *config.Default()
			cfg.Endpoints, cfg.Survey.MinInterval, cfg.Authority.Mode = nil, 0, config.AuthorityOff
			for i := range test.hosts {
				port := healthy
				if test.silent1 > 0 && i%test.silent1 == 0 {
					port = silent
				}
				cfg.Endpoints = append(cfg.Endpoints, config.Endpoint{
					Service: "s", Host: netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}).String(), Client: measurement.Device,
					Addresses: config.AddressesAny, Paths: []measurement.Path{{Transport: measurement.TCP, Port: port}},
				})
			}
			anchor, err := trust.NewCAs(nil, authority)
			if err != nil {
				b.Fatal(err)
			}
			w := &world{anchor: anchor, public: anchor}
			missing, up := 0, 0
			var used time.Duration
			for b.Loop() {
				names := resolve.New(resolve.Options{Config: &cfg, Resolvers: []netip.AddrPort{resolver}, Exchanger: w})
				s := New(&Site{Config: &cfg, Anchors: w, Walker: &path.Walker{}, Names: names, Routes: route.Uplink{}}, Options{Name: "site", Logger: slog.New(slog.DiscardHandler)})
				before := processorTime(b)
				ctx, cancel := context.WithTimeout(context.Background(), scrapeOf10s)
				rep := s.Run(ctx)
				cancel()
				used += processorTime(b) - before
				missing += rep.IncompletePaths
				for i := range rep.Hosts {
					if rep.Hosts[i].Up {
						up++
					}
				}
				b.StopTimer()
				s.Close() // the rest of a round whose time is over
				b.StartTimer()
			}
			b.ReportMetric(float64(up)/float64(b.N), "up/op")
			b.ReportMetric(float64(missing)/float64(b.N), "out-of-time/op")
			b.ReportMetric(float64(used.Microseconds())/float64(b.N*test.hosts), "cpu-µs/path")
			var usage unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(usage.Maxrss)/1000, "maxrss-MB")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
