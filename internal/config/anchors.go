package config

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// Anchors holds the trust anchors of a configuration. It is safe for concurrent use.
type Anchors struct {
	mu      sync.RWMutex
	anchors map[string]*trust.Anchor
	files   []*watched // the CA files, one each
}

// makeAnchors checks the trust anchors and makes them. Without r.open it makes only the anchors that need no I/O.
func (r *reader) makeAnchors(c *Config) {
	for _, name := range slices.Sorted(maps.Keys(c.Trust)) {
		if place := "trust." + name; !r.wrong[place] {
			if key, err := r.anchors.add(name, c.Trust[name], clientsOf(name, c.Endpoints), r.open); err != nil {
				r.mistakeAt(join(place, key), "%s", err)
			}
		}
	}
}

// clientsOf returns the clients that use an anchor: those of its endpoints, and of hosts that are not configured.
func clientsOf(anchor string, endpoints []Endpoint) (clients []measurement.Client) {
	if anchor == WebTrust {
		clients = append(clients, measurement.Web)
	}
	for _, e := range endpoints {
		if e.Trust == anchor && !slices.Contains(clients, e.Client) {
			clients = append(clients, e.Client)
		}
	}
	return clients
}

// check returns an error if one of the clients cannot use an anchor.
func check(anchor *trust.Anchor, clients []measurement.Client) error {
	for _, client := range clients {
		if err := anchor.Check(client); err != nil {
			return err
		}
	}
	return nil
}

// sources lists the keys of an anchor that say whose signature counts.
func (t TrustAnchor) sources() (keys []string) {
	for _, source := range []struct {
		key string
		set bool
	}{{"public_key", t.PublicKey != ""}, {"ca_file", t.CAFile != ""}, {"public_roots", t.PublicRoots}, {"system_roots", t.SystemRoots}} {
		if source.set {
			keys = append(keys, source.key)
		}
	}
	return keys
}

// Web reports whether any CA of a set of roots may sign, instead of a single one.
func (t TrustAnchor) Web() bool { return t.PublicRoots || t.SystemRoots }

// add makes an anchor. An error is that of one of the anchor's keys, or of the anchor as a whole.
func (a *Anchors) add(name string, t TrustAnchor, clients []measurement.Client, open bool) (key string, err error) {
	sources := t.sources()
	switch {
	case len(sources) == 0:
		return "", errors.New("set one of public_key, ca_file, public_roots: true or system_roots: true")
	case len(sources) > 1:
		return "", fmt.Errorf("%s exclude each other; keep one of them", strings.Join(sources, " and "))
	case t.Web() && t.Issuer != "":
		return "issuer", fmt.Errorf("issuer has no effect with %s; remove it", sources[0])
	}
	var issuer trust.Name
	if t.Issuer != "" {
		if issuer, err = trust.ParseName(t.Issuer); err != nil {
			return "issuer", fmt.Errorf("%w; want for example C=GB, O=Example Ltd, CN=Example CA", err)
		}
	}
	switch {
	case t.PublicKey != "":
		spki, _ := base64.StdEncoding.DecodeString(t.PublicKey) // the form public_key is base64
		if a.anchors[name], err = trust.NewKey(issuer, spki); err == nil {
			err = check(a.anchors[name], clients)
		}
	case t.CAFile != "" && open:
		f := &watched{disk: localDisk, place: "trust." + name + ".ca_file", paths: []string{t.CAFile}, use: func(contents [][]byte) error {
			return a.useCAs(name, issuer, t.CAFile, contents[0], clients)
		}}
		a.files = append(a.files, f)
		err = f.refresh()
	case t.PublicRoots:
		a.anchors[name] = publicWeb()
	case t.SystemRoots && open:
		var roots *x509.CertPool
		if roots, err = x509.SystemCertPool(); err == nil {
			a.anchors[name] = trust.NewRoots(roots)
		}
	}
	return sources[0], err
}

// Get returns the anchor of a name of Config.Trust, or [NoTrust], or nil for another name.
func (a *Anchors) Get(name string) *trust.Anchor {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.anchors[name]
}

// Public returns the anchor of the embedded public web roots, whatever roots this machine has. An inspecting
// firewall's CA may be among the machine's roots; it is never among these.
func (a *Anchors) Public() *trust.Anchor { return publicWeb() }

// publicWeb makes the anchor when it is first needed, which is seldom.
var publicWeb = sync.OnceValue(func() *trust.Anchor {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // a root that cannot be parsed verifies nothing
		}
		if root.Constraint == nil {
			pool.AddCert(cert)
		} else {
			pool.AddCertWithConstraint(cert, root.Constraint)
		}
	}
	return trust.NewPublicRoots(pool, machineRoots)
})

// machineRoots returns the roots of this machine, or nil if they cannot be read.
var machineRoots = sync.OnceValue(func() *x509.CertPool {
	pool, _ := x509.SystemCertPool()
	return pool
})

// useCAs makes an anchor of the contents of a CA file, which must suit the clients that use it.
func (a *Anchors) useCAs(name string, issuer trust.Name, path string, pem []byte, clients []measurement.Client) error {
	anchor, err := trust.NewCAs(issuer, pem)
	if err == nil {
		err = check(anchor, clients)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.anchors[name] = anchor
	return nil
}
