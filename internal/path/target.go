package path

import (
	"net/netip"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Target is the path to probe and the phases to run. It is comparable.
type Target struct {
	Address   netip.AddrPort
	Transport measurement.Transport
	Client    measurement.Client
	Host      string // server name of a web hello; a device sends none
	Finish    bool   // complete the handshake; otherwise stop after the server flight
	Ping      bool   // send a CoAP ping over the established session
	Framing   measurement.Framing
	// WebRetry repeats the walk with a web hello if the device's hello failed (TCP only).
	WebRetry bool
}

// TargetFor returns the target of one path of an endpoint at one address. With the zero [netip.Addr] it identifies
// the path and everything that decides how it is probed.
func TargetFor(e *config.Endpoint, p measurement.Path, addr netip.Addr) Target {
	return Target{
		Address:   netip.AddrPortFrom(addr, p.Port),
		Transport: p.Transport,
		Client:    e.Client,
		Host:      e.Host,
		Finish:    e.Finish,
		Ping:      e.CoAPPing,
		Framing:   e.Framing,
		WebRetry:  e.Client == measurement.Device && p.Transport == measurement.TCP,
	}
}

// At returns the same target at another address, with the same port.
func (t Target) At(addr netip.Addr) Target {
	t.Address = netip.AddrPortFrom(addr, t.Address.Port())
	return t
}
