package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// TestBudget scrapes the built-in catalogue's hosts during outages, with the scrape timeouts of docs/configuration.md.
// The catalogue has 7 hosts and 12 paths, 3 of them over UDP at 3 hosts, of which one has no other path.
func TestBudget(t *testing.T) {
	type want struct {
		down, up int // hosts
		paths    int // with a verdict; the others are counted as incomplete
	}
	const hosts, paths = 7, 12
	for name, test := range map[string]struct {
		where, fault string
		deadResolver bool // a second one, which does not answer and is asked first
		at5, at10    want // at10 is for 15 s and 30 s too
	}{
		"packets dropped: down after 6.5 s, over TCP after 3 s": {
			where: "*", fault: lab.Drop, at5: want{4, 0, 9}, at10: want{7, 0, 12},
		},
		"packets dropped, one of two resolvers dead: the same": {
			where: "*", fault: lab.Drop, deadResolver: true, at5: want{4, 0, 9}, at10: want{7, 0, 12},
		},
		"packets over TCP dropped: down after 3 s": {
			where: "*/tcp", fault: lab.Drop, at5: want{4, 3, 12}, at10: want{4, 3, 12},
		},
		"packets over UDP dropped: down after 6.5 s": {
			where: "*/udp", fault: lab.Drop, at5: want{0, 6, 9}, at10: want{1, 6, 12},
		},
		"hello over TCP unanswered: web hosts after 3 s, devices' after the browser's hello": {
			where: "*/tcp", fault: lab.Silence, at5: want{3, 3, 6}, at10: want{4, 3, 12},
		},
		"resolver dead: down after 5 s, or 80 % of a shorter scrape": {
			where: "resolver", fault: "silent", at5: want{7, 0, 12}, at10: want{7, 0, 12},
		},
	} {
		for _, scrape := range []struct {
			timeout int    // seconds
			joins   string // timeout of the client that begins each round; "": the scrape
		}{{5, ""}, {10, ""}, {15, ""}, {30, ""}, {5, "0.02"}, {10, "0.02"}, {5, "30"}} {
			timeout := scrape.timeout
			t.Run(fmt.Sprintf("%s/timeout=%ds/joins=%s", name, timeout, scrape.joins), func(t *testing.T) {
				t.Parallel()
				inMemory(t, func(t *testing.T, network *memnet.Network) {
					l := labtest.Start(t, lab.Options{Network: network})
					if err := l.Set(test.where, test.fault); err != nil {
						t.Fatal(err)
					}
					config := l.Config()
					if test.deadResolver {
						dead := labtest.Start(t, lab.Options{Network: network})
						if err := dead.Set("resolver", "silent"); err != nil {
							t.Fatal(err)
						}
						config = strings.Replace(config, "resolvers: [", fmt.Sprintf("resolvers: [%q, ", dead.ResolverAddress), 1)
					}
					e := startExporterOn(t, network, config)
					expected := test.at10
					if timeout == 5 {
						expected = test.at5
					}
					for round := range 3 {
						var other sync.WaitGroup
						if scrape.joins != "" {
							other.Go(func() { get(t, e, http.MethodGet, "/metrics", timeoutHeader, scrape.joins) })
							synctest.Wait()
						}
						started := time.Now()
						code, body := get(t, e, http.MethodGet, "/metrics", timeoutHeader, fmt.Sprint(timeout))
						took := time.Since(started)
						x := parseExposition(t, body)
						got := want{paths: len(x.of("endpoint_path_up"))}
						for _, up := range x.of("endpoint_up") {
							got.up += int(up)
							got.down += 1 - int(up)
						}
						incomplete, _ := x.one("endpoint_survey_incomplete_paths")
						if code != http.StatusOK || got != expected || got.paths+int(incomplete) != paths || took >= time.Duration(timeout)*time.Second {
							t.Errorf("round %d: status %d after %v, of %d hosts and %d paths: %+v, want %+v; %v incomplete", round, code, took, hosts, paths, got, expected, incomplete)
						}
						other.Wait()
						time.Sleep(time.Minute - time.Since(started)) //nolint:forbidigo // virtual time
					}
				})
			})
		}
	}
}

// TestLoadOfHostileAskers has a client ask in a loop for 20 ms at a time, with every page and parameter, while the
// exporter is scraped every 5 s. Each path is walked at most once in three quarters of min_interval.
func TestLoadOfHostileAskers(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		network.Delay = 30 * time.Millisecond // a round takes longer than a hostile request
		l := labtest.Start(t, lab.Options{Network: network})
		var mu sync.Mutex
		dials := make(map[string]int)
		e := startExporter(t, l.Config(), func(s *serve) {
			s.dial = func(ctx context.Context, transport, address string) (net.Conn, error) {
				mu.Lock()
				dials[transport+" "+address]++
				mu.Unlock()
				return network.Dial(ctx, transport, address)
			}
		})
		scrape := func() exposition {
			code, body := get(t, e, http.MethodGet, "/metrics", timeoutHeader, "5")
			x := parseExposition(t, body)
			if n := len(x.of("endpoint_path_up")); code != http.StatusOK || n != len(l.Places()) {
				t.Errorf("a scrape: status %d with %d of %d paths", code, n, len(l.Places()))
			}
			return x
		}
		scrape()
		first := l.NameServer.Queries()

		urls := []string{"/metrics", "/metrics?collect[]=endpoints", "/api/v1/report"}
		for _, host := range lab.Izuma() {
			urls = append(urls, "/probe?target="+host.Name, "/probe?target="+strings.ToUpper(host.Name), "/probe?target="+host.Name+".&x=1")
		}
		const duration = 20 * time.Second
		var hostile sync.WaitGroup
		hostile.Go(func() {
			for i, end := 0, time.Now().Add(duration); time.Now().Before(end); i++ {
				get(t, e, http.MethodGet, urls[i%len(urls)], timeoutHeader, "0.02")
				time.Sleep(20 * time.Millisecond) //nolint:forbidigo // virtual time; finished rounds are answered at once
			}
		})
		for end := time.Now().Add(duration); time.Now().Before(end); {
			time.Sleep(5 * time.Second) //nolint:forbidigo // virtual time
			scrape()
		}
		hostile.Wait()

		const rounds = 2 + int(duration/(7500*time.Millisecond)) // the first scrape, and one that has begun
		mu.Lock()
		defer mu.Unlock()
		if len(dials) < len(l.Places()) {
			t.Errorf("connections to %d addresses only", len(dials))
		}
		walked := slices.Collect(maps.Keys(dials))
		for _, p := range l.Places() {
			address := p.Path.Transport + " " + p.Address.String()
			if !slices.Contains(walked, address) || dials[address] > rounds {
				t.Errorf("%s: %d connections in at most %d rounds", address, dials[address], rounds)
			}
		}
		if asked := l.NameServer.Queries(); asked > first*uint64(rounds) {
			t.Errorf("%d questions in at most %d rounds, and %d in the first", asked, rounds, first)
		} else {
			t.Logf("%d questions, of which %d in the first of at most %d rounds; connections by address: %v", asked, first, rounds, dials)
		}
	})
}
