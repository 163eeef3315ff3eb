package config

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// maxFile is the size of the largest file that is read, in bytes. A thousand endpoints take a fifth of it.
const maxFile = 1 << 20

// Parse reads a configuration, fills in the defaults, expands the catalogues and checks the result. Relative file
// names are taken from the directory dir. It does no I/O: the files that the configuration names are not read. The
// error is an [*Invalid].
func Parse(data []byte, dir string) (*Config, error) {
	r := newReader(dir)
	c := r.parse(data)
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func newReader(dir string) *reader {
	return &reader{
		mistakes: mistakes{wrong: make(map[string]bool)},
		dir:      dir,
		given:    make(map[string]node),
		anchors:  &Anchors{anchors: map[string]*trust.Anchor{NoTrust: trust.NoAnchor()}},
	}
}

// parse reads a configuration and checks everything but the client certificate's files.
func (r *reader) parse(data []byte) *Config {
	c := defaults()
	root, ok := r.document(data)
	if !ok {
		return c
	}
	own := r.readFile(root, c)
	r.checkAuthority(&c.Authority)
	r.checkSteps(c.Idle.Steps)
	slices.Sort(c.IPVersions)
	r.checkClientCertificate(c.ClientCertificate)
	r.expand(c, own)
	if !r.targets && len(c.Endpoints) == 0 && len(c.Probe.Allow) == 0 && len(r.found) == 0 {
		r.mistakeInFile(0, "nothing to watch: set catalogues, endpoints or probe.allow")
	}
	return c
}

// document reads the only YAML document; ok is false if it cannot be read. An empty file is a mistake, as it is more
// likely a truncated one.
func (r *reader) document(data []byte) (root node, ok bool) {
	if len(data) > maxFile {
		r.mistakeInFile(0, "the file has more than %d bytes", maxFile)
		return node{}, false
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && (len(doc.Content) == 0 || (node{Node: doc.Content[0]}).null()) {
		r.mistakeInFile(0, "the file is empty; write {} to use the default of every key")
		return node{}, false
	}
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			r.mistakeInFile(second.Line, "the file has a second YAML document; remove the line with --- above it")
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		line, text := splitYAMLError(err)
		r.mistakeInFile(line, "%s", text)
		return node{}, false
	}
	return node{Node: doc.Content[0]}, true
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// splitYAMLError separates the line from the text of a syntax error. The library gives it nowhere else.
func splitYAMLError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	if strings.Contains(text, "cannot start any token") {
		text += "; indent with spaces, not with tabs"
	}
	return line, "not valid YAML: " + measurement.Text(text)
}

// readFile reads a file's keys into c, except for its trust anchors and endpoints, which it returns: catalogues come
// before them.
func (r *reader) readFile(root node, c *Config) (own catalogue) {
	read := *c
	read.Trust, read.Endpoints = nil, nil
	r.read(root, reflect.ValueOf(&read).Elem(), `example:"survey: {timeout: 10s}"`)
	own = catalogue{trust: read.Trust, endpoints: read.Endpoints}
	for i := range own.endpoints {
		r.fillDefaults(at("endpoints", i), &own.endpoints[i])
	}
	read.Trust, read.Endpoints = c.Trust, c.Endpoints
	*c = read
	return own
}

// fillDefaults sets the keys of an endpoint that were not given, or given with a mistake.
func (r *reader) fillDefaults(place string, e *Endpoint) {
	if e.Client == "" {
		e.Client = measurement.Device
	}
	from, into := reflect.ValueOf(endpointDefaults(e.Host, e.Client)), reflect.ValueOf(e).Elem()
	for key, f := range fieldsOf(into.Type()) {
		if !r.isValid(join(place, key)) {
			into.FieldByIndex(f.Index).Set(from.FieldByIndex(f.Index))
		}
	}
}

// at is the place of an item of a list.
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// expand adds the built-in catalogues and then the file's own anchors and endpoints to c. An own endpoint replaces
// the built-in one of the same service and host.
func (r *reader) expand(c *Config, own catalogue) {
	var lists []catalogue
	for i, name := range c.Catalogues {
		if !r.isValid(at("catalogues", i)) && r.isGiven("catalogues") {
			continue
		}
		list, err := builtin(name)
		if err != nil {
			r.mistakeInFile(0, "%s", err)
			continue
		}
		lists = append(lists, list)
	}
	for _, conflict := range c.addCatalogues(lists) {
		r.mistakeAt("catalogues", "%s", conflict)
	}
	for _, name := range slices.Sorted(maps.Keys(own.trust)) {
		if i := slices.IndexFunc(lists, func(l catalogue) bool { _, ok := l.trust[name]; return ok }); i >= 0 && own.trust[name] != c.Trust[name] {
			r.mistakeAt("trust."+name, "the catalogue %s defines %s with other contents; use another name, "+
				"and set trust to it in your endpoints", lists[i].name, name)
			continue
		}
		c.Trust[name] = own.trust[name]
	}
	r.checkEndpoints(own.endpoints, c.Trust)
	for _, e := range own.endpoints {
		same := func(known Endpoint) bool { return known.Key() == e.Key() }
		if i := slices.IndexFunc(c.Endpoints, same); i >= 0 {
			c.Endpoints[i] = e
		} else {
			c.Endpoints = append(c.Endpoints, e)
		}
	}
	for i := range c.Endpoints {
		if e := &c.Endpoints[i]; len(e.IPVersions) == 0 {
			e.IPVersions = c.IPVersions
		}
	}
	r.makeAnchors(c)
}

// addCatalogues adds catalogues to c. It returns a text for each conflict: one anchor name with two contents would give
// some endpoints the anchor of others, and one service and host twice would give two endpoints the same series.
func (c *Config) addCatalogues(lists []catalogue) (conflicts []string) {
	anchors, endpoints := make(map[string]string), make(map[Key]string)
	for name := range c.Trust {
		anchors[name] = "the default"
	}
	for _, list := range lists {
		for _, name := range slices.Sorted(maps.Keys(list.trust)) {
			if known, ok := c.Trust[name]; ok && known != list.trust[name] {
				conflicts = append(conflicts, "both "+anchors[name]+" and "+list.name+" define the trust anchor "+name+
					", with different contents; use one of the two catalogues")
				continue
			}
			c.Trust[name], anchors[name] = list.trust[name], list.name
		}
		for _, e := range list.endpoints {
			if known, ok := endpoints[e.Key()]; ok {
				conflicts = append(conflicts, "both "+known+" and "+list.name+" have the service "+e.Service+" with host "+e.Host+
					"; use one of the two catalogues")
				continue
			}
			endpoints[e.Key()] = list.name
			c.Endpoints = append(c.Endpoints, e)
		}
	}
	return conflicts
}

// checkAuthority checks the keys of authority against each other.
func (r *reader) checkAuthority(a *AuthorityQueries) {
	const servers = "authority.servers"
	switch {
	case r.wrong["authority.mode"] || r.wrong[servers]:
	case a.Mode == AuthorityServers && len(a.Servers) == 0:
		r.mistakeAt(servers, "mode servers needs at least one server, for example servers: [192.0.2.53]")
	case a.Mode != AuthorityServers && len(a.Servers) > 0:
		r.mistakeAt(servers, "servers has no effect in mode %s; set mode: servers, or remove it", a.Mode)
	}
}

// checkSteps requires ascending steps.
func (r *reader) checkSteps(steps []time.Duration) {
	for i := 1; i < len(steps); i++ {
		place := at("idle.steps", i)
		if r.isValid(place) && r.isValid(at("idle.steps", i-1)) && steps[i] <= steps[i-1] {
			r.mistakeAt(place, "%s is not longer than the step before it, %s; sort the steps", shortDuration(steps[i]), shortDuration(steps[i-1]))
		}
	}
}

// checkEndpoints checks a file's endpoints against each other, against the trust anchors, and each one's keys against
// each other.
func (r *reader) checkEndpoints(endpoints []Endpoint, anchors map[string]TrustAnchor) {
	first := make(map[Key]string)
	for i := range endpoints {
		place, e := at("endpoints", i), &endpoints[i]
		if n, ok := r.given[place]; !ok || n.Kind != yaml.MappingNode {
			continue
		}
		if e.Service != "" && e.Host != "" {
			if known, again := first[e.Key()]; again {
				r.mistakeAt(place, "the same service and host as %s; merge the two, or rename one service", known)
				continue
			}
			first[e.Key()] = place
		}
		slices.Sort(e.IPVersions)
		if addr, err := netip.ParseAddr(e.Host); err == nil && !e.Uses(addr) {
			r.mistakeAt(place+".ip_versions", "the host is an IPv%d address; set ip_versions: [%[1]d], or remove it", VersionOf(addr))
		}
		r.checkTrust(place, e, anchors)
		r.checkClient(place, e)
	}
}

// checkTrust requires an anchor that exists and fits the client: a device has one stored CA, not the system's roots.
func (r *reader) checkTrust(place string, e *Endpoint, anchors map[string]TrustAnchor) {
	place += ".trust"
	names := slices.Sorted(maps.Keys(anchors))
	anchor, known := anchors[e.Trust]
	switch {
	case r.wrong[place] || r.wrong["trust."+e.Trust]:
	case e.Trust == "" && !r.isGiven(place):
		r.mistakeAt(parent(place), "trust is missing, for example trust: %s", firstDeviceAnchor(anchors))
	case !known:
		r.mistakeAt(place, "%s is not defined under trust%s", quoted(e.Trust), cmp.Or(suggestion(e.Trust, names), "; known names: "+strings.Join(names, ", ")))
	case e.Client == measurement.Device && anchor.Web():
		r.mistakeAt(place, "%s is a set of web roots, and a device has a single CA; use an anchor with public_key or ca_file", e.Trust)
	}
}

// firstDeviceAnchor names an anchor that a device may use.
func firstDeviceAnchor(anchors map[string]TrustAnchor) string {
	for _, name := range slices.Sorted(maps.Keys(anchors)) {
		if !anchors[name].Web() {
			return name
		}
	}
	return "site"
}

// checkClient refuses keys that have no effect for the endpoint's client.
func (r *reader) checkClient(place string, e *Endpoint) {
	uses := func(t measurement.Transport) bool {
		return slices.ContainsFunc(e.Paths, func(path measurement.Path) bool { return path.Transport == t })
	}
	web := e.Client == measurement.Web
	for _, rule := range []struct {
		broken    bool
		key, text string
	}{
		{web && uses(measurement.UDP), ".paths", "a web client uses TCP only; remove the udp path, or set client: device"},
		{web && e.CoAPPing, ".coap_ping", "a web client sends no CoAP; remove coap_ping, or set client: device"},
		{web && r.isGiven(place+".framing"), ".framing", "a web client sends no CoAP; remove framing, or set client: device"},
		{web && !e.Finish, ".finish", "a web client always completes the handshake; remove finish, or set client: device"},
		{!web && e.CoAPPing && !e.Finish, ".finish", "coap_ping needs a completed handshake; remove finish, or set coap_ping: false"},
		{!web && e.Framing == measurement.RFC8323 && len(e.Paths) > 0 && !uses(measurement.TCP), ".framing",
			"rfc8323 is for CoAP over TCP; add a tcp path, or remove framing"},
	} {
		if rule.broken {
			r.mistakeAt(place+rule.key, "%s", rule.text)
		}
	}
}
