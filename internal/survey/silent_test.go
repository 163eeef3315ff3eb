package survey

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// scrapeOf10s is the time of a scrape with a timeout of 10 s, less what the exporter keeps for itself.
const scrapeOf10s = 9500 * time.Millisecond

// openOver returns a survey whose walks go over a network in memory, with a delay of 20 ms each way.
func (w *world) openOver(t *testing.T, cfg *config.Config, filter func(memnet.Packet) memnet.Verdict) (*Survey, *memnet.Network) {
	t.Helper()
	site := w.site(func(c *config.Config) {
		if cfg != nil {
			c.Endpoints = cfg.Endpoints
		}
	})
	network := &memnet.Network{Delay: 20 * time.Millisecond}
	network.SetFilter(filter)
	site.Walker = &path.Walker{Dial: network.Dial}
	s := New(site, Options{Name: "site", Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(s.Close)
	return s, network
}

func countReasons(r *report.Report) map[reason.Reason]int {
	counts := make(map[reason.Reason]int)
	for _, h := range r.Hosts {
		for i := range h.Paths {
			counts[h.Paths[i].Finding.Reason]++
		}
	}
	return counts
}

// TestSilentHostsDoNotDelayOthers has 1,000 hosts, half of which drop everything. The others answer the hello with a
// web page, which is a verdict and costs no handshake.
func TestSilentHostsDoNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hosts = 1000
		w := &world{addresses: make(map[string][]netip.Addr), lookup: 10 * time.Millisecond}
		cfg := &config.Config{}
		for i := range hosts {
			host := fmt.Sprintf("h%d.test", i)
			w.addresses[host] = []netip.Addr{netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})}
			cfg.Endpoints = append(cfg.Endpoints, config.Endpoint{
				Service: "s", Host: host, Client: measurement.Device, Addresses: config.AddressesAny,
				Paths: []measurement.Path{{Transport: measurement.TCP, Port: 5684}},
			})
		}
		silent := func(addr netip.Addr) bool { return addr.As4()[3]%2 == 0 }
		s, network := w.openOver(t, cfg, func(p memnet.Packet) memnet.Verdict {
			if silent(p.To.Addr()) && p.To.Port() == 5684 {
				return memnet.Drop
			}
			return memnet.Pass
		})
		for i := range hosts {
			addr := w.addresses[cfg.Endpoints[i].Host][0]
			if silent(addr) {
				continue
			}
			listener, err := network.Listen(netip.AddrPortFrom(addr, 5684))
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_ = conn.SetDeadline(time.Now().Add(time.Minute))
					_, _ = conn.Read(make([]byte, 512))
					_, _ = conn.Write([]byte("HTTP/1.1 302 Found\r\nLocation: https://portal.test/\r\n\r\n"))
					_ = conn.Close()
				}
			}()
		}
		ctx, cancel := within(scrapeOf10s)
		defer cancel()
		started := time.Now()
		rep := s.Run(ctx)
		counts := countReasons(rep)
		if rep.IncompletePaths != 0 || counts[reason.Unreachable] != hosts/2 || counts[reason.BlockPage] != hosts/2 {
			t.Errorf("%d paths out of time, %v after %v", rep.IncompletePaths, counts, time.Since(started))
		}
		s.Close()
		<-time.After(2 * time.Minute) // the servers' connections end
	})
}

// TestSilentAddressesDoNotDelayPaths has 8 silent addresses for each host of the built-in catalogue.
func TestSilentAddressesDoNotDelayPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config.Default()
		w := &world{addresses: make(map[string][]netip.Addr), lookup: 30 * time.Millisecond}
		paths := 0
		for i, e := range cfg.Endpoints {
			paths += len(e.Paths)
			w.addresses[e.Host] = nil
			for j := range byte(8) {
				w.addresses[e.Host] = append(w.addresses[e.Host], netip.AddrFrom4([4]byte{3, 4, byte(i), 1 + j}))
			}
		}
		s, _ := w.openOver(t, cfg, func(memnet.Packet) memnet.Verdict { return memnet.Drop })
		for round := range 3 {
			ctx, cancel := context.WithTimeout(context.Background(), scrapeOf10s)
			rep := s.Run(ctx)
			cancel()
			if counts := countReasons(rep); rep.IncompletePaths != 0 || counts[reason.Unreachable]+counts[reason.Silent] != paths {
				t.Errorf("round %d: %d of %d paths out of time, %v", round, rep.IncompletePaths, paths, counts)
			}
			<-time.After(15 * time.Second)
		}
	})
}
