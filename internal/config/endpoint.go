package config

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// maxService is the longest service name, a label's value, in bytes.
const maxService = 64

// Key makes an endpoint unique, and names it across reloads: the labels of its series.
type Key struct{ Service, Host string }

// Key is the endpoint's.
func (e *Endpoint) Key() Key { return Key{e.Service, e.Host} }

// readEndpoints reads the file's own endpoints. One with the service and host of a built-in one takes its place.
func (p *parser) readEndpoints() {
	c := p.config
	builtins := len(c.Endpoints)
	first := make(map[Key]string)
	for _, v := range p.endpoints {
		before := len(p.list)
		e := p.readEndpoint(v)
		if e.Service == "" || e.Host == "" {
			continue // noted already
		}
		if place, again := first[e.Key()]; again {
			v.mistake("service %s with host %s is %s already", measurement.Text(e.Service), e.Host, place)
			continue
		}
		first[e.Key()] = v.place
		if len(p.list) > before {
			continue
		}
		same := func(known Endpoint) bool { return known.Key() == e.Key() }
		if i := slices.IndexFunc(c.Endpoints[:builtins], same); i >= 0 {
			c.Endpoints[i] = e
		} else {
			c.Endpoints = append(c.Endpoints, e)
		}
	}
}

// readEndpoint reads one endpoint. What it defaults to depends on host and client, so that these two are read first.
func (p *parser) readEndpoint(v value) Endpoint {
	host, client, isAddress := hostAndClient(v)
	e := endpointDefaults(host, client, isAddress)
	nothing := func(value) {}
	has := v.mapping(fields{
		"service":      func(v value) { readService(v, &e.Service) },
		"host":         nothing,
		"client":       nothing,
		"trust":        func(v value) { v.text(&e.Trust) },
		"keepalive":    func(v value) { v.duration(&e.Keepalive, time.Second, longest) },
		"coap_ping":    func(v value) { v.boolean(&e.CoAPPing) },
		"framing":      func(v value) { choice(v, &e.Framing, measurement.RFC7252, measurement.RFC8323) },
		"finish":       func(v value) { v.boolean(&e.Finish) },
		"addresses":    func(v value) { choice(v, &e.Addresses, AddressesPublic, AddressesAny) },
		"expected_ttl": func(v value) { v.duration(&e.ExpectedTTL, time.Second, 7*longest) },
		"single_view":  func(v value) { v.boolean(&e.SingleView) },
		"paths":        func(v value) { e.Paths = readPaths(v) },
	})
	if v.node.Kind != yaml.MappingNode {
		return e
	}
	for _, key := range []string{"service", "host", "paths"} {
		if _, ok := has[key]; !ok {
			v.mistake("%s is missing", key)
		}
	}
	p.checkTrust(v, has, &e)
	checkClient(v, has, &e)
	return e
}

// hostAndClient looks at the two keys before the others, and notes their mistakes.
func hostAndClient(v value) (host string, client measurement.Client, isAddress bool) {
	client = measurement.Device
	if v.node.Kind != yaml.MappingNode {
		return "", client, false
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := v.node.Content[i].Value
		child := value{node: v.node.Content[i+1], place: join(v.place, key), noted: v.noted}
		if child.node.Kind == yaml.ScalarNode && child.node.ShortTag() == "!!null" {
			continue // noted by mapping
		}
		switch key {
		case "client":
			choice(child, &client, measurement.Device, measurement.Web)
		case "host":
			var s string
			if host != "" || !child.text(&s) {
				continue
			}
			parsed, err := ParseHost(s)
			if err != nil {
				child.mistake("%s", err)
				continue
			}
			host = parsed
			_, err = netip.ParseAddr(host)
			isAddress = err == nil
		}
	}
	return host, client, isAddress
}

func readService(v value, into *string) {
	var s string
	switch {
	case !v.text(&s):
	case s == "" || strings.TrimSpace(s) != s:
		v.mistake("%s is not a service: it is empty or has blanks around it", v.shown())
	case len(s) > maxService || !utf8.ValidString(s) || measurement.Text(s) != s:
		v.mistake("%s is not a service: at most %d bytes of printable text", v.shown(), maxService)
	default:
		*into = s
	}
}

// readPaths reads a list of paths, each of them once.
func readPaths(v value) []measurement.Path {
	var out []measurement.Path
	v.items(func(_ int, item value) {
		var path measurement.Path
		port := 0
		has := item.mapping(fields{
			"transport": func(v value) { choice(v, &path.Transport, measurement.TCP, measurement.UDP) },
			"port":      func(v value) { readPort(v, &port) },
		})
		if item.node.Kind != yaml.MappingNode {
			return
		}
		for _, key := range []string{"transport", "port"} {
			if _, ok := has[key]; !ok {
				item.mistake("%s is missing", key)
			}
		}
		path.Port = uint16(port) //nolint:gosec // readPort keeps it below 65536
		switch {
		case path.Transport == "" || path.Port == 0:
		case slices.Contains(out, path):
			item.mistake("%s %d is given twice", path.Transport, path.Port)
		default:
			out = append(out, path)
		}
	})
	if v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 {
		v.mistake("at least one path is due")
	}
	return out
}

func readPort(v value, into *int) {
	if !v.scalar("!!int", "a port") {
		return
	}
	var n int
	if err := v.node.Decode(&n); err != nil || n < 1 || n > math.MaxUint16 {
		v.mistake("%s is not a port", v.shown())
		return
	}
	*into = n
}

// checkTrust holds that the anchor is there and fits the client: a device has one stored authority, not the system's.
func (p *parser) checkTrust(v value, has given, e *Endpoint) {
	at, ok := has["trust"]
	if !ok {
		if e.Client == measurement.Device {
			v.mistake("trust is missing")
		}
		return
	}
	if at.node.Kind != yaml.ScalarNode || at.node.ShortTag() != "!!str" {
		return // noted already
	}
	anchor, known := p.config.Trust[e.Trust]
	var names []string
	for name := range p.config.Trust {
		names = append(names, name)
	}
	slices.Sort(names)
	switch {
	case !known:
		at.mistake("%s is not defined under trust%s", at.shown(), suggestion(e.Trust, names))
	case e.Client == measurement.Device && anchor.SystemRoots:
		at.mistake("%s stands for the system's roots, a device needs an anchor with a key or a CA file", at.shown())
	}
}

// checkClient refuses what a client cannot do.
func checkClient(v value, has given, e *Endpoint) {
	uses := func(t measurement.Transport) int {
		return slices.IndexFunc(e.Paths, func(path measurement.Path) bool { return path.Transport == t })
	}
	if e.Client == measurement.Web {
		if uses(measurement.UDP) >= 0 {
			has["paths"].mistake("a web client walks no udp path")
		}
		if e.CoAPPing {
			has["coap_ping"].mistake("a web client sends no CoAP")
		}
		if at, ok := has["framing"]; ok {
			at.mistake("a web client sends no CoAP")
		}
		if !e.Finish {
			has["finish"].mistake("a web client always finishes the handshake")
		}
		return
	}
	if e.CoAPPing && !e.Finish {
		at := v
		if given, ok := has["finish"]; ok {
			at = given
		}
		at.mistake("coap_ping needs a finished session: leave out finish, or set coap_ping to false")
	}
	if e.Framing == measurement.RFC8323 && len(e.Paths) > 0 && uses(measurement.TCP) < 0 {
		has["framing"].mistake("rfc8323 is CoAP over TCP, and there is no tcp path")
	}
}
