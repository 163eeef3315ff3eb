package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
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

// Endpoint returns the endpoint of a target: without a port 5684, or 443 for a web client; without a transport both
// for a device, and TCP for a web client. It adds the anchor of a.Trust to the configuration.
func (l *Loaded) Endpoint(t Target, a AdHoc) (Endpoint, error) {
	host, err := ParseHost(t.Name)
	if err != nil {
		return Endpoint{}, err
	}
	asked, err := t.probeRequest(a.Client)
	if err != nil {
		return Endpoint{}, err
	}
	e := l.Config.adHoc(string(asked.Client), host, asked)
	e.Trust, err = l.addTrust(a.Trust, asked.Client)
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
		return NoTrust, nil
	case "public":
		t.PublicRoots = true
	case "system":
		t.SystemRoots = true
	default:
		if _, err := os.Stat(text); errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(text, `/\`) {
			return "", fmt.Errorf("%s is neither a trust anchor of the configuration (%s), nor public or system, nor a file with CA certificates",
				quoted(text), strings.Join(slices.Sorted(maps.Keys(l.Config.Trust)), ", "))
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
