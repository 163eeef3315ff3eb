package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// NoTrust is the trust anchor of an endpoint about whose server nothing is known. No file can name it.
const NoTrust = "(none)"

// AdHoc is what a person says about targets that are not endpoints of the configuration.
type AdHoc struct {
	Client measurement.Client // "": web on port 443, device on others
	// Trust names an anchor of the configuration or a file with CA certificates in PEM, or is "public" or "system"
	// (roots). "": the anchor [WebTrust] for web clients, none for devices.
	Trust string
}

// Ports of targets without a port.
const (
	devicePort = 5684 // CoAP over TLS and DTLS (RFC 7252 §12.8, RFC 8323 §11.1)
	webPort    = 443
)

// Endpoint returns the endpoint of a target: without a port 5684, or 443 for a web client; without a transport both
// for a device, and TCP for a web client. It adds the anchor of a.Trust to the configuration.
func (l *Loaded) Endpoint(t Target, a AdHoc) (Endpoint, error) {
	host, err := ParseHost(t.Name)
	if err != nil {
		return Endpoint{}, err
	}
	client := a.Client
	if client == "" {
		client = measurement.Device
		if t.Port == webPort && t.Transport != measurement.UDP {
			client = measurement.Web
		}
	}
	if client == measurement.Web && t.Transport == measurement.UDP {
		return Endpoint{}, errors.New("a web client uses TCP; want --client=device for a path over UDP")
	}
	e := endpointDefaults(host, client)
	e.Service, e.Addresses, e.IPVersions = string(client), AddressesAny, l.Config.IPVersions
	if addr, err := netip.ParseAddr(host); err == nil {
		e.IPVersions = []IPVersion{VersionOf(addr)}
	}
	e.CoAPPing = client == measurement.Device
	port := t.Port
	switch {
	case port != 0:
	case client == measurement.Web:
		port = webPort
	default:
		port = devicePort
	}
	if t.Transport != measurement.UDP {
		e.Paths = append(e.Paths, measurement.Path{Transport: measurement.TCP, Port: port})
	}
	if t.Transport != measurement.TCP && client == measurement.Device {
		e.Paths = append(e.Paths, measurement.Path{Transport: measurement.UDP, Port: port})
	}
	e.Trust, err = l.addTrust(a.Trust, client)
	return e, err
}

// addTrust returns the name of the anchor for [AdHoc.Trust], and adds the anchor if the configuration does not have it.
func (l *Loaded) addTrust(text string, client measurement.Client) (name string, err error) {
	if _, known := l.Config.Trust[text]; known {
		return text, check(l.Get(text), []measurement.Client{client})
	}
	var t TrustAnchor
	switch text {
	case "":
		if client == measurement.Web {
			return WebTrust, nil
		}
		l.set(NoTrust, trust.NoAnchor())
		return NoTrust, nil
	case "public":
		t.PublicRoots = true
	case "system":
		t.SystemRoots = true
	default:
		if _, err := os.Stat(text); errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(text, `/\`) {
			return "", fmt.Errorf("%s is neither a trust anchor of the configuration (%s), nor public or system, nor a file with CA certificates",
				quoted(text), strings.Join(l.trustNames(), ", "))
		}
		t.CAFile = text
	}
	if l.Get(text) == nil {
		var clients []measurement.Client // a list of roots is for browsers: it is judged as they do, also for a device
		if t.CAFile != "" {
			clients = append(clients, client)
		}
		if _, err := l.add(text, t, clients, true); err != nil {
			return "", fmt.Errorf("--trust=%s: %w", measurement.Text(text), err)
		}
	}
	return text, nil
}

func (l *Loaded) trustNames() (names []string) {
	for name := range l.Config.Trust {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// set sets the anchor of a name.
func (a *Anchors) set(name string, anchor *trust.Anchor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.anchors[name] = anchor
}
