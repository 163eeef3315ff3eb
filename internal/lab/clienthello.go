package lab

import (
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// suiteCCM8 is TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 (RFC 7251), the device's only suite.
const suiteCCM8 uint16 = 0xC0AE

const (
	extensionExtendedMasterSecret uint16 = 0x0017 // RFC 7627
	extensionPointFormats         uint16 = 0x000b // RFC 8422 §5.2
	extensionRenegotiationInfo    uint16 = 0xff01 // RFC 5746
	// extensionConnectionID is that of draft-ietf-tls-dtls-connection-id-05, which devices offer.
	extensionConnectionID = 254
)

var errHello = errors.New("not a client hello")

// clientHello is the part of a ClientHello (RFC 5246 §7.4.1.2) that the lab's servers decide by.
type clientHello struct {
	random         []byte
	suites         []uint16
	extendedMaster bool
	connectionID   bool
}

// offersCCM8 distinguishes a device's hello from a browser's.
func (h *clientHello) offersCCM8() bool { return slices.Contains(h.suites, suiteCCM8) }

// parseClientHello reads the body of a ClientHello message; overDTLS tells that it has a cookie (RFC 6347 §4.2.1).
func parseClientHello(body []byte, overDTLS bool) (*clientHello, error) {
	s := cryptobyte.String(body)
	var h clientHello
	var version uint16
	var session, cookie, suites, compression, extensions cryptobyte.String
	ok := s.ReadUint16(&version) && s.ReadBytes(&h.random, 32) && s.ReadUint8LengthPrefixed(&session) &&
		(!overDTLS || s.ReadUint8LengthPrefixed(&cookie)) &&
		s.ReadUint16LengthPrefixed(&suites) && s.ReadUint8LengthPrefixed(&compression) &&
		(s.Empty() || s.ReadUint16LengthPrefixed(&extensions))
	for ok && !suites.Empty() {
		var suite uint16
		ok = suites.ReadUint16(&suite)
		h.suites = append(h.suites, suite)
	}
	for ok && !extensions.Empty() {
		var id uint16
		var data cryptobyte.String
		ok = extensions.ReadUint16(&id) && extensions.ReadUint16LengthPrefixed(&data)
		h.extendedMaster = h.extendedMaster || id == extensionExtendedMasterSecret
		h.connectionID = h.connectionID || id == extensionConnectionID
	}
	if !ok {
		return nil, errHello
	}
	return &h, nil
}
