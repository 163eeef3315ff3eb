package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/idle"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// pipeline is what one configuration is built into: the site that the survey measures, and the parts of it that
// others use. The site's DNS servers are the configured ones, or the system's.
type pipeline struct {
	*survey.Site
	loaded *config.Loaded // the configuration with its anchors and client certificate
	walker *path.Walker
}

// build makes the pipeline of a configuration, with the DNS servers that flags find for it. Hosts that are also in old
// keep their history; old may be nil. If build fails, old is unchanged.
func build(loaded *config.Loaded, flags *common, old *pipeline, logger *slog.Logger) (*pipeline, error) {
	cfg := loaded.Config
	resolvers, err := flags.resolversOf(cfg)
	if err != nil {
		return nil, fmt.Errorf("find the site's DNS servers (name them in the configuration under resolvers): %w", err)
	}
	switch {
	case len(resolvers) > 0:
	case old != nil && len(old.Config.Resolvers) == 0:
		resolvers = old.Resolvers // the system names none now: a file that is being replaced looks like that
	default:
		resolvers = []netip.AddrPort{dns.DefaultResolver}
	}
	uplink := route.NewUplink(cfg.Source)
	options := resolve.Options{Config: cfg, Resolvers: resolvers, Logger: logger, Uplink: uplink, Dial: flags.dial}
	if old != nil {
		options.Previous = old.Names
	}
	_, configured := loaded.Credential.Get()
	dial := flags.dial
	if dial == nil {
		dial = path.Dialer(uplink)
	}
	walker := &path.Walker{Dial: dial, Credential: func() *path.Credential {
		pair, _ := loaded.Credential.Get()
		return &path.Credential{Certificate: pair}
	}}
	return &pipeline{loaded: loaded, walker: walker, Site: &survey.Site{
		Config:               cfg,
		Source:               flags.source(),
		Resolvers:            resolvers,
		Proxy:                environmentProxy(os.Getenv),
		Anchors:              loaded,
		Names:                resolve.New(options),
		Routes:               uplink,
		Walker:               walker,
		Restricted:           &path.Walker{Dial: restrictedDial(dial, &cfg.Probe), Credential: walker.Credential},
		CredentialConfigured: configured,
	}}, nil
}

// dialFunc opens a connection to an IP address and port.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// errNotAllowed is the error of a connection that probe.allow or probe.ports does not permit.
var errNotAllowed = errors.New("probe.allow and probe.ports do not permit this connection")

// restrictedDial returns a dial function that refuses what probe does not permit. It is the last check before a
// socket is connected, and refuses names too, so that nothing is resolved after it.
func restrictedDial(dial dialFunc, probe *config.Probe) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !probe.AllowsAddress(to.Addr()) || !probe.AllowsPort(to.Port()) {
			return nil, fmt.Errorf("%s: %w", address, errNotAllowed)
		}
		return dial(ctx, network, address)
	}
}

// idleSession begins a walk that is left silent for minutes: no scrape waits for it, so that its steps may take longer.
func (p *pipeline) idleSession(t path.Target) path.Session {
	return (&path.Walker{Dial: p.walker.Dial, Credential: p.walker.Credential, Patience: idle.Patience()}).Session(t)
}
