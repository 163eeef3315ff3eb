//go:build unix

package resolve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// serveBenchmark in the environment makes the test binary a resolver and an authoritative server, so that the
// benchmark measures the service only.
const serveBenchmark = "ENDPOINT_BENCHMARK_SERVER"

const benchmarkHosts = 50

func benchmarkHost(n int) string { return fmt.Sprintf("h%d.example", n) }

func TestMain(m *testing.M) {
	if os.Getenv(serveBenchmark) != "" {
		benchmarkServer()
		return
	}
	goleak.VerifyTestMain(m)
}

// benchmarkServer prints its addresses and serves until its standard input ends.
func benchmarkServer() {
	zone := &lab.Zone{Origin: "example.", Names: map[string]lab.RecordSet{"*.example.": {
		TTL: lab.TTL(60), Addresses: lab.Fixed(netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("2001:db8::1")),
	}}}
	server := &lab.NameServer{Zones: []*lab.Zone{zone}}
	for _, a := range []lab.Answerer{lab.NewResolver(server, lab.Habits{}, 1), server} {
		s, err := lab.ServeDNS(netip.MustParseAddrPort("127.0.0.1:0"), a, time.Now)
		if err != nil {
			panic(err)
		}
		fmt.Println(s.Address)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// BenchmarkRound makes rounds of 50 hosts, with both families, one resolver and one authoritative server, over sockets.
func BenchmarkRound(b *testing.B) {
	peer := exec.Command(os.Args[0])
	peer.Env = append(os.Environ(), serveBenchmark+"=1")
	stdin, err := peer.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := peer.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		stdin.Close()
		if err := peer.Wait(); err != nil {
			b.Error(err)
		}
	}()
	var at []netip.AddrPort
	for lines := bufio.NewScanner(stdout); len(at) < 2 && lines.Scan(); {
		at = append(at, netip.MustParseAddrPort(lines.Text()))
	}
	if len(at) < 2 {
		b.Fatal("the servers do not start")
	}
	c := config.Default()
	c.Survey.MinInterval = 0
	c.Authority = config.AuthorityQueries{Mode: config.AuthorityServers, Servers: at[1:]}
	c.Endpoints = nil
	for n := range benchmarkHosts {
		c.Endpoints = append(c.Endpoints, config.Endpoint{Service: "bench", Host: benchmarkHost(n), SingleView: true})
	}
	s := New(Options{Config: c, Resolvers: at[:1], Rate: 1e6})
	round := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for i := range c.Endpoints {
			r := s.Host(c.Endpoints[i].Host).Begin(ctx, patience)
			defer func() {
				if resolvers, _ := r.Finish(); len(resolvers[0].Lookup.Addresses) != 3 {
					b.Errorf("%+v", resolvers[0].Lookup)
				}
			}()
		}
	}
	for range 3 {
		round()
	}
	asked, cpu := questions(s), processorTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	for b.Loop() {
		round()
		n++
	}
	hosts := float64(n * benchmarkHosts)
	b.ReportMetric(float64(processorTime(b)-cpu)/hosts/1e3, "cpu-µs/host")
	b.ReportMetric(float64(questions(s)-asked)/hosts, "questions/host")
}

func questions(s *Service) (sum uint64) {
	for _, q := range s.Queries() {
		sum += q.Count
	}
	return sum
}

// processorTime is the CPU time of this process, user and system.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
