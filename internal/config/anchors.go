package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// Anchors holds the trust anchors of a configuration, ready to use. It is safe for concurrent use.
type Anchors struct {
	mu      sync.RWMutex
	anchors map[string]*trust.Anchor

	refreshing sync.Mutex // guards files
	files      []*anchorFile
}

// anchorFile is an anchor that comes from a CA file.
type anchorFile struct {
	watched
	name   string
	issuer trust.Name
}

// NewAnchors makes the anchors of a configuration. It reads the CA files and the system's roots.
func NewAnchors(c *Config) (*Anchors, error) {
	a := &Anchors{anchors: make(map[string]*trust.Anchor)}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Trust)) {
		if err := a.add(name, c.Trust[name]); err != nil {
			errs = append(errs, fmt.Errorf("trust.%s: %w", name, err))
		}
	}
	if err := errors.Join(append(errs, a.Refresh())...); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Anchors) add(name string, t TrustAnchor) error {
	var issuer trust.Name
	var err error
	if t.Issuer != "" {
		if issuer, err = trust.ParseName(t.Issuer); err != nil {
			return err
		}
	}
	switch {
	case t.SystemRoots:
		roots, err := x509.SystemCertPool()
		if err != nil {
			return fmt.Errorf("load the system's roots: %w", err)
		}
		a.anchors[name] = trust.NewRoots(roots)
	case t.PublicKey != "":
		if a.anchors[name], err = keyAnchor(issuer, t.PublicKey); err != nil {
			return err
		}
	default:
		a.files = append(a.files, &anchorFile{watched: watched{paths: []string{t.CAFile}}, name: name, issuer: issuer})
	}
	return nil
}

// Get returns the anchor of a name of Config.Trust; nil for another name.
func (a *Anchors) Get(name string) *trust.Anchor {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.anchors[name]
}

// Public is the public web's own anchor, whatever roots this machine has: a box that inspects may have its authority among
// the system's, but nobody makes it one of the public web.
func (a *Anchors) Public() *trust.Anchor { return publicWeb() }

// publicWeb is made when it is first needed, which is seldom.
var publicWeb = sync.OnceValue(func() *trust.Anchor {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // it vouches for nobody
		}
		if root.Constraint == nil {
			pool.AddCert(cert)
		} else {
			pool.AddCertWithConstraint(cert, root.Constraint)
		}
	}
	return trust.NewRoots(pool)
})

// Refresh reads again the CA files that have changed. One that cannot be used leaves the anchor as it was; the error says
// so once, until it is mended or broken in another way.
func (a *Anchors) Refresh() error {
	a.refreshing.Lock()
	defer a.refreshing.Unlock()
	var errs []error
	for _, f := range a.files {
		err := f.refresh(func() error {
			anchor, err := loadCAs(f.issuer, f.paths[0])
			if err != nil {
				return err
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			a.anchors[f.name] = anchor
			return nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("trust.%s.ca_file: %w", f.name, err))
		}
	}
	return errors.Join(errs...)
}

// loadCAs makes an anchor of a CA file.
func loadCAs(issuer trust.Name, path string) (*trust.Anchor, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	anchor, err := trust.NewCAs(issuer, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return anchor, nil
}
