package config

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// maxFile is the largest configuration that is read, in bytes; a thousand endpoints take a fifth of it.
const maxFile = 1 << 20

// longest bounds every duration of the configuration that has no nearer bound.
const longest = 24 * time.Hour

// Parse reads a configuration, fills in its defaults, expands its catalogues and checks it; relative file names in it are
// taken from the folder dir. It reads no file itself. The error is an [*Invalid] with every mistake.
func Parse(data []byte, dir string) (*Config, error) { return parse(data, parser{dir: dir}) }

// parser is one reading of a configuration.
type parser struct {
	mistakes
	dir       string
	open      bool // read the files that the configuration names, to find what is wrong with them
	isBuiltin bool

	config    *Config
	endpoints []value // the file's own
}

func parse(data []byte, p parser) (*Config, error) {
	p.config = defaults()
	root, ok := p.document(data)
	if ok {
		p.readRoot(root)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.config, nil
}

// whole notes a mistake of the file as a whole.
func (p *parser) whole(line int, format string, args ...any) {
	p.list = append(p.list, Mistake{Line: line, Text: fmt.Sprintf(format, args...)})
}

// document reads the only YAML document; ok is false if it cannot be read at all. An empty one is an empty mapping.
func (p *parser) document(data []byte) (root value, ok bool) {
	if len(data) > maxFile {
		p.whole(0, "the file has more than %d bytes", maxFile)
		return value{}, false
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
	case err != nil:
		line, text := splitYAMLError(err)
		p.whole(line, "%s", text)
		return value{}, false
	default:
		var second yaml.Node
		if err := decoder.Decode(&second); err == nil {
			p.whole(second.Line, "a second YAML document, only one is read")
		} else if !errors.Is(err, io.EOF) {
			line, text := splitYAMLError(err)
			p.whole(line, "%s", text)
		}
	}
	node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1}
	if len(doc.Content) > 0 && doc.Content[0].ShortTag() != "!!null" {
		node = doc.Content[0]
	}
	return value{node: node, noted: &p.mistakes}, true
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// splitYAMLError takes the line out of a syntax error's text; the library has no other place for it.
func splitYAMLError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	if strings.Contains(text, "cannot start any token") {
		text += " (a tab? YAML is indented with spaces)"
	}
	return line, "not YAML: " + measurement.Text(text)
}

func (p *parser) readRoot(root value) {
	c := p.config
	own := make(map[string]TrustAnchor)
	root.mapping(fields{
		"catalogues":         p.readCatalogues,
		"resolvers":          func(v value) { c.Resolvers = servers(v) },
		"authority":          p.readAuthority,
		"survey":             p.readSurvey,
		"freshness":          p.readFreshness,
		"trust":              func(v value) { own = p.readTrust(v) },
		"client_certificate": p.readClientCertificate,
		"endpoints":          func(v value) { v.items(func(_ int, item value) { p.endpoints = append(p.endpoints, item) }) },
		"idle":               p.readIdle,
		"probe":              p.readProbe,
	})
	if !p.isBuiltin {
		p.expand()
	}
	for name, anchor := range own {
		c.Trust[name] = anchor
	}
	p.readEndpoints()
	if len(c.Endpoints) == 0 && len(c.Probe.Allow) == 0 && len(p.list) == 0 {
		p.whole(0, "nothing to watch: no catalogue, no endpoint, and nothing in probe.allow")
	}
}

func (p *parser) readCatalogues(v value) {
	p.config.Catalogues = []string{}
	v.items(func(_ int, item value) {
		var name string
		if !item.text(&name) {
			return
		}
		switch known := Builtins(); {
		case !slices.Contains(known, name):
			item.mistake("%s is not a built-in catalogue; there are %s%s", item.shown(), strings.Join(known, ", "), suggestion(name, known))
		case slices.Contains(p.config.Catalogues, name):
			item.mistake("%s is given twice", item.shown())
		default:
			p.config.Catalogues = append(p.config.Catalogues, name)
		}
	})
}

// expand puts the endpoints and anchors of the built-in catalogues before the file's own.
func (p *parser) expand() {
	for _, name := range p.config.Catalogues {
		list, err := builtin(name)
		if err != nil {
			p.whole(0, "built-in catalogue %s: %s", name, err)
			continue
		}
		for anchor, a := range list.Trust {
			p.config.Trust[anchor] = a
		}
		p.config.Endpoints = append(p.config.Endpoints, list.Endpoints...)
	}
}

// servers reads a list of DNS servers: an address, or an address and a port.
func servers(v value) []netip.AddrPort {
	out := []netip.AddrPort{}
	v.items(func(_ int, item value) {
		var s string
		if !item.text(&s) {
			return
		}
		server, err := parseServer(s)
		switch {
		case err == nil && server.Addr().IsLinkLocalUnicast() && server.Addr().Is6() && server.Addr().Zone() == "":
			item.mistake("%s is of one link only: write of which, as fe80::1%%eth0", item.shown())
		case err != nil:
			item.mistake("%s is not a DNS server: write an IP address, 192.0.2.53:5353 or [2001:db8::53]:5353", item.shown())
		case slices.Contains(out, server):
			item.mistake("%s is given twice", item.shown())
		default:
			out = append(out, server)
		}
	})
	return out
}

func parseServer(s string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	server := netip.AddrPortFrom(addr.Unmap(), 53)
	if err != nil {
		if server, err = netip.ParseAddrPort(s); err != nil {
			return netip.AddrPort{}, err
		}
		server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
	}
	if server.Port() == 0 || server.Addr().IsUnspecified() || server.Addr().IsMulticast() {
		return netip.AddrPort{}, errors.New("cannot be a server")
	}
	return server, nil
}

func (p *parser) readAuthority(v value) {
	a := &p.config.Authority
	has := v.mapping(fields{
		"mode":              func(v value) { choice(v, &a.Mode, AuthorityDiscover, AuthorityServers, AuthorityOff) },
		"servers":           func(v value) { a.Servers = servers(v) },
		"interception_test": func(v value) { v.boolean(&a.InterceptionTest) },
		"whoami": func(v value) {
			var name string
			if !v.text(&name) || name == "" {
				return
			}
			host, err := ParseHost(name)
			if err != nil {
				v.mistake("%s", err)
				return
			}
			if _, err := netip.ParseAddr(host); err == nil {
				v.mistake("%s is an address where a name is due", v.shown())
				return
			}
			a.Whoami = host
		},
	})
	list, listed := has["servers"]
	switch {
	case a.Mode == AuthorityServers && !listed:
		v.mistake("mode servers needs servers")
	case a.Mode == AuthorityServers && len(list.node.Content) == 0 && list.node.Kind == yaml.SequenceNode:
		list.mistake("mode servers needs at least one")
	case a.Mode != AuthorityServers && len(a.Servers) > 0:
		list.mistake("has no effect in mode %s, only in mode servers", a.Mode)
	}
}

func (p *parser) readSurvey(v value) {
	s := &p.config.Survey
	v.mapping(fields{
		"timeout":       func(v value) { v.duration(&s.Timeout, 100*time.Millisecond, 10*time.Minute) },
		"min_interval":  func(v value) { v.duration(&s.MinInterval, 0, time.Hour) },
		"concurrency":   func(v value) { v.integer(&s.Concurrency, 1, 10000) },
		"max_addresses": func(v value) { v.integer(&s.MaxAddresses, 1, 64) },
	})
}

func (p *parser) readFreshness(v value) {
	f := &p.config.Freshness
	constant := func(into *time.Duration) func(value) {
		return func(v value) { v.duration(into, time.Millisecond, longest) }
	}
	v.mapping(fields{
		"margin":        constant(&f.Margin),
		"slack":         constant(&f.Slack),
		"authority_lag": constant(&f.AuthorityLag),
		"learning":      constant(&f.Learning),
		"hold":          constant(&f.Hold),
		"spacing":       constant(&f.Spacing),
	})
}

func (p *parser) readIdle(v value) {
	idle := &p.config.Idle
	v.mapping(fields{
		"enabled":     func(v value) { v.boolean(&idle.Enabled) },
		"interval":    func(v value) { v.duration(&idle.Interval, time.Second, 7*longest) },
		"concurrency": func(v value) { v.integer(&idle.Concurrency, 1, 10000) },
		"steps": func(v value) {
			const most = 32
			idle.Steps = nil
			v.items(func(_ int, item value) {
				var step time.Duration
				item.duration(&step, time.Second, longest)
				if n := len(idle.Steps); step > 0 && n > 0 && step <= idle.Steps[n-1] {
					item.mistake("%s does not exceed the step before it, %s", item.shown(), idle.Steps[n-1])
				} else if step > 0 {
					idle.Steps = append(idle.Steps, step)
				}
			})
			if n := len(v.node.Content); v.node.Kind == yaml.SequenceNode && (n == 0 || n > most) {
				v.mistake("%d steps are not between 1 and %d", n, most)
			}
		},
	})
}

func (p *parser) readProbe(v value) {
	v.mapping(fields{"allow": func(v value) {
		v.items(func(_ int, item value) {
			var s string
			if !item.text(&s) {
				return
			}
			entry, err := parseAllow(s)
			switch {
			case err != nil:
				item.mistake("%s: %s", item.shown(), err)
			case slices.Contains(p.config.Probe.Allow, entry):
				item.mistake("%s is given twice", item.shown())
			default:
				p.config.Probe.Allow = append(p.config.Probe.Allow, entry)
			}
		})
	}})
}

func (p *parser) readClientCertificate(v value) {
	c := &p.config.ClientCertificate
	has := v.mapping(fields{
		"cert_file": func(v value) { p.file(v, &c.CertFile) },
		"key_file":  func(v value) { p.file(v, &c.KeyFile) },
	})
	switch _, cert := has["cert_file"]; {
	case len(has) == 1 && cert:
		v.mistake("cert_file needs key_file")
	case len(has) == 1:
		v.mistake("key_file needs cert_file")
	case p.open && c.CertFile != "" && c.KeyFile != "":
		if _, err := loadPair(*c); err != nil {
			v.mistake("%s", err)
		}
	}
}

// file reads a file's name and makes it independent of the working directory.
func (p *parser) file(v value, into *string) {
	var name string
	if !v.text(&name) {
		return
	}
	if name == "" || strings.ContainsRune(name, 0) {
		v.mistake("%s is not a file name", v.shown())
		return
	}
	if !filepath.IsAbs(name) && p.dir != "" {
		name = filepath.Join(p.dir, name)
	}
	*into = name
}

var trustName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (p *parser) readTrust(v value) map[string]TrustAnchor {
	out := make(map[string]TrustAnchor)
	v.pairs(func(name string, child value) {
		if !trustName.MatchString(name) {
			child.mistake("a name of letters, digits, dots, hyphens and underscores is due, at most 64 bytes")
		} else if child.present() {
			out[name] = p.readAnchor(child)
		}
	})
	return out
}

func (p *parser) readAnchor(v value) TrustAnchor {
	var a TrustAnchor
	has := v.mapping(fields{
		"issuer":       func(v value) { v.text(&a.Issuer) },
		"public_key":   func(v value) { v.text(&a.PublicKey) },
		"ca_file":      func(v value) { p.file(v, &a.CAFile) },
		"system_roots": func(v value) { v.boolean(&a.SystemRoots) },
	})
	var ways []string
	for _, way := range []string{"public_key", "ca_file", "system_roots"} {
		if _, ok := has[way]; ok && (way != "system_roots" || a.SystemRoots) {
			ways = append(ways, way)
		}
	}
	var name trust.Name
	var err error
	if given, ok := has["issuer"]; ok {
		if name, err = trust.ParseName(a.Issuer); err != nil {
			given.mistake("%s", err)
		}
	}
	switch {
	case v.node.Kind != yaml.MappingNode:
	case len(ways) == 0:
		v.mistake("one of public_key, ca_file and system_roots: true is due")
	case len(ways) > 1:
		v.mistake("%s exclude each other", strings.Join(ways, " and "))
	case a.SystemRoots && a.Issuer != "":
		has["issuer"].mistake("has no effect beside system_roots")
	case a.PublicKey != "":
		a.PublicKey = strings.Join(strings.Fields(a.PublicKey), "")
		if _, err := keyAnchor(name, a.PublicKey); err != nil {
			has["public_key"].mistake("%s", err)
		}
	case ways[0] == "public_key":
		has["public_key"].mistake("base64 of a SubjectPublicKeyInfo is due")
	case a.CAFile != "" && p.open:
		if _, err := loadCAs(name, a.CAFile); err != nil {
			has["ca_file"].mistake("%s", err)
		}
	}
	return a
}

// keyAnchor makes an anchor of a key in base64.
func keyAnchor(issuer trust.Name, key string) (*trust.Anchor, error) {
	spki, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return nil, fmt.Errorf("not base64: %w", err)
	}
	return trust.NewKey(issuer, spki)
}
