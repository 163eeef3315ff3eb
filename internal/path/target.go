package path

import (
	"net/netip"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Target is what to walk and how far.
type Target struct {
	Address   netip.AddrPort
	Transport measurement.Transport
	Client    measurement.Client
	Host      string // server name of a web hello; a device sends none
	Finish    bool   // complete the session; otherwise stop at the server's flight
	Ping      bool   // send a CoAP ping once the session is complete
	Framing   measurement.Framing
	// WebRetry repeats the walk with a web hello if the device's hello failed (TCP only).
	WebRetry bool
}

// TargetFor is the target of one path of an endpoint at one address. A target without an address (the zero
// [netip.Addr]) is comparable and identifies the path and all that decides how it is walked.
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

// At is the same target at another address; the port stays.
func (t Target) At(addr netip.Addr) Target {
	t.Address = netip.AddrPortFrom(addr, t.Address.Port())
	return t
}
