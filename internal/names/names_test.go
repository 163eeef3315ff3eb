package names

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/catalogue"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config is one of the lab's hosts, watched with its resolver and its name server.
func config(t *testing.T, l *lab.Lab) *catalogue.Config {
	t.Helper()
	c, err := catalogue.Parse([]byte(l.Config()), "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func startLab(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestHostsOfTheLabResolve(t *testing.T) {
	l := startLab(t, lab.Options{Addresses: 3})
	c := config(t, l)
	s := New(Options{Config: c, Resolvers: []netip.AddrPort{l.ResolverAddress}})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for i := range c.Endpoints {
		r := s.Host(&c.Endpoints[i]).Begin(ctx)
		lookups := r.Lookups()
		if len(lookups) != 1 || len(lookups[0].Addresses) != 3 || lookups[0].TTL != time.Minute {
			t.Fatalf("%+v", lookups)
		}
		resolvers, authority := r.Finish()
		if !authority.Known || authority.TTL != time.Minute || len(authority.Addresses) != 3 {
			t.Errorf("%+v", authority)
		}
		t.Logf("%+v", resolvers[0].Freshness)
	}
	t.Log(s.Path(), s.Queries())
}
