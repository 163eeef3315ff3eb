package report

import (
	"net/netip"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
)

// Finding is the diagnosis of one path to one address, or of a path without an address: the reason, and the facts that
// its words need. It is comparable; the zero value means that a device gets through. Texts in it are safe to show.
type Finding struct {
	Reason reason.Reason
	// Advice is the kind of thing to do about it. It distinguishes findings of one reason: for example,
	// reason.LetLargeDatagramsPass means that small datagrams pass in both directions, reason.CheckAddress that another
	// site's server answers at the address, and reason.CheckThisMachine that this machine could not probe the path.
	Advice reason.Advice

	// Phase is the phase that failed on the wire, and Detail what is known about the failure besides the reason; zero
	// if nothing was sent, or if the certificate decides and nothing failed on the wire.
	Phase  measurement.Phase
	Detail measurement.Detail
	// Client is whose hello the failure or the certificate answers. On a device's path it is measurement.Web if the
	// hello sent after the device's own failed decides; DeviceResult is then the result of the device's own hello, and
	// "" otherwise.
	Client       measurement.Client
	DeviceResult reason.Reason
	Transport    measurement.Transport

	// Certificate is the one that decides, for the classes interception and certificate; zero if none does.
	Certificate Certificate
	// Other is the certificate of another site's server that the browser's hello met, with reason.CheckAddress.
	Other Certificate
	// Address is the one that cannot be the cloud, for reason.Sinkhole.
	Address netip.Addr
}

// Certificate names the parties of a certificate, as RFC 4514 strings.
type Certificate struct {
	Issuer, Subject string
	Expected        string // who should have signed
	Detail          measurement.Detail
}
