package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/endpoint-exporter/endpoint_exporter/cmd/internal/flags"
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
)

// targetFlags holds the flags of a command about what it probes.
type targetFlags struct {
	client    string
	trust     string
	resolvers []string
}

const targetHelp = "a service, host or first label of the configuration, or any HOST[:PORT][/tcp|/udp]"

func (f *targetFlags) addTargetFlags(cmd *kingpin.CmdClause) {
	flags.Choice(cmd.Flag("client", "Whose hello to send to the target: device or web; default: web on port 443, device on others."), &f.client, "device", "web")
	cmd.Flag("trust", "Who must have signed the target's certificate: a trust anchor of the configuration, public (a browser's list of authorities), "+
		"system (those of this machine), or a file with CA certificates; default: public for web, and for device not judged.").
		PlaceHolder("NAME|public|system|FILE").StringVar(&f.trust)
	cmd.Flag("resolver", "DNS server to ask instead of those of the configuration or the system. May be repeated.").
		PlaceHolder("IP[:PORT]").StringsVar(&f.resolvers)
}

// choose makes the asked targets the endpoints of the configuration: endpoints of it, some of their paths, and others.
// Without targets it keeps all endpoints. With --client or --trust every target becomes a new endpoint.
func (f *targetFlags) choose(loaded *config.Loaded, asked []string) error {
	cfg := loaded.Config
	if len(f.resolvers) > 0 {
		cfg.Resolvers = nil
		for _, text := range f.resolvers {
			server, err := config.ParseServer(text)
			if err != nil {
				return fmt.Errorf("--resolver: %w", err)
			}
			cfg.Resolvers = append(cfg.Resolvers, server)
		}
	}
	if len(asked) == 0 {
		if f.client != "" || f.trust != "" {
			return present.WithHint(fmt.Errorf("--client and --trust have no effect without a target"),
				"name a target, for example coap.example.com:5684")
		}
		return nil
	}
	var chosen []config.Endpoint
	for _, text := range asked {
		found, err := f.find(loaded, text)
		if err != nil {
			return err
		}
		for i := range found {
			chosen = addEndpoint(chosen, &found[i])
		}
	}
	cfg.Endpoints = chosen
	return nil
}

// find returns the endpoints of one target.
func (f *targetFlags) find(loaded *config.Loaded, text string) ([]config.Endpoint, error) {
	var known []config.Endpoint
	for _, e := range loaded.Config.Endpoints {
		if e.Service == text {
			known = append(known, e)
		}
	}
	var target config.Target
	if len(known) == 0 {
		var err error
		if target, err = config.ParseTarget(text); err != nil {
			return nil, err
		}
		known = configured(loaded.Config.Endpoints, target.Name)
	}
	_, notAddress := netip.ParseAddr(target.Name)
	switch {
	case len(known) > 0 && f.client == "" && f.trust == "":
		return pathsOf(known, target)
	case len(known) > 0:
	case notAddress != nil && target.Port == 0 && !strings.Contains(target.Name, "."):
		return nil, notConfigured(loaded.Config, target.Name)
	default:
		known = []config.Endpoint{{Host: target.Name}}
	}
	return f.newEndpoints(loaded, target, known)
}

// newEndpoints returns a new endpoint for the host of each of these endpoints, with the port and transport of a target.
func (f *targetFlags) newEndpoints(loaded *config.Loaded, t config.Target, of []config.Endpoint) ([]config.Endpoint, error) {
	var found []config.Endpoint
	for i := range of {
		t.Name = of[i].Host
		e, err := loaded.Endpoint(t, config.AdHoc{Client: measurement.Client(f.client), Trust: f.trust})
		if err != nil {
			return nil, err
		}
		found = append(found, e) // addEndpoint makes one of a host that is there twice
	}
	return found, nil
}

// configured returns the endpoints with a service, a host or the first label of a host.
func configured(endpoints []config.Endpoint, name string) (found []config.Endpoint) {
	host, err := config.ParseHost(name)
	if err != nil {
		host = name
	}
	for _, e := range endpoints {
		if e.Host == host || e.Service == name || strings.HasPrefix(e.Host, host+".") {
			found = append(found, e)
		}
	}
	return found
}

// pathsOf keeps the paths of endpoints that a target names. If it names a port that none of them has, the first
// endpoint has the path in addition.
func pathsOf(endpoints []config.Endpoint, t config.Target) ([]config.Endpoint, error) {
	var found []config.Endpoint
	for _, e := range endpoints {
		e.Paths = slices.DeleteFunc(slices.Clone(e.Paths), func(p measurement.Path) bool {
			return t.Port != 0 && p.Port != t.Port || t.Transport != "" && p.Transport != t.Transport
		})
		if len(e.Paths) > 0 {
			found = append(found, e)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	e := endpoints[0]
	if t.Port == 0 {
		return nil, fmt.Errorf("%s has no path over %s in the configuration; name a port, for example %s:%d/%s",
			e.Host, t.Transport, e.Host, e.Paths[0].Port, t.Transport)
	}
	e.Paths = nil
	for _, transport := range []measurement.Transport{measurement.TCP, measurement.UDP} {
		if (t.Transport == "" || t.Transport == transport) && (e.Client == measurement.Device || transport == measurement.TCP) {
			e.Paths = append(e.Paths, measurement.Path{Transport: transport, Port: t.Port})
		}
	}
	if len(e.Paths) == 0 {
		return nil, fmt.Errorf("%s is configured for a web client, which uses TCP; --client=device probes it as a device does", e.Host)
	}
	return []config.Endpoint{e}, nil
}

// addEndpoint adds an endpoint, or its paths if an endpoint with its key is there. Two targets may name one host.
func addEndpoint(endpoints []config.Endpoint, added *config.Endpoint) []config.Endpoint {
	for i := range endpoints {
		e := &endpoints[i]
		if e.Key() != added.Key() {
			continue
		}
		e.Paths = slices.Clone(e.Paths)
		for _, p := range added.Paths {
			if !slices.Contains(e.Paths, p) {
				e.Paths = append(e.Paths, p)
			}
		}
		return endpoints
	}
	return append(endpoints, *added)
}

// maxListedHosts is the number of configured hosts that an error names.
const maxListedHosts = 8

// notConfigured is the error of a name without a dot that no endpoint has.
func notConfigured(cfg *config.Config, name string) error {
	var known []string
	for i := range cfg.Endpoints {
		label, _, _ := strings.Cut(cfg.Endpoints[i].Host, ".")
		if _, err := netip.ParseAddr(cfg.Endpoints[i].Host); err == nil {
			label = cfg.Endpoints[i].Host
		}
		if !slices.Contains(known, label) {
			known = append(known, label)
		}
	}
	if more := len(known) - maxListedHosts; more > 0 {
		known = append(known[:maxListedHosts], fmt.Sprintf("%d more", more))
	}
	hint := fmt.Sprintf("to probe a host that is not in the configuration, write its full name or its port, for example %s:5684", measurement.Text(name))
	if len(known) > 0 {
		hint = "configured are " + strings.Join(known, ", ") + "; " + hint
	}
	return present.WithHint(fmt.Errorf("%q is not in the configuration", measurement.Text(name)), hint)
}
