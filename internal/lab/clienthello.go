package lab

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// suiteCCM8 is TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 (RFC 7251), the device's only suite.
const suiteCCM8 uint16 = 0xC0AE

const (
	extensionExtendedMasterSecret uint16 = 0x0017 // RFC 7627
	extensionPointFormats         uint16 = 0x000b // RFC 8422 §5.2
	extensionRenegotiationInfo    uint16 = 0xff01 // RFC 5746
)

var errHello = errors.New("not a client hello")

// clientHello is the part of a ClientHello (RFC 5246 §7.4.1.2) that the lab's servers decide by.
type clientHello struct {
	random         []byte
	suites         []uint16
	extendedMaster bool
}

// offersCCM8 distinguishes a device's hello from a browser's.
func (h *clientHello) offersCCM8() bool { return slices.Contains(h.suites, suiteCCM8) }

// parseClientHello reads the body of a ClientHello message.
func parseClientHello(body []byte) (*clientHello, error) {
	s := cryptobyte.String(body)
	var (
		h                            clientHello
		version                      uint16
		session, suites, compression cryptobyte.String
	)
	if !s.ReadUint16(&version) || !s.ReadBytes(&h.random, 32) || !s.ReadUint8LengthPrefixed(&session) ||
		!s.ReadUint16LengthPrefixed(&suites) || !s.ReadUint8LengthPrefixed(&compression) {
		return nil, fmt.Errorf("%w: truncated", errHello)
	}
	for !suites.Empty() {
		var suite uint16
		if !suites.ReadUint16(&suite) {
			return nil, fmt.Errorf("%w: odd suite list", errHello)
		}
		h.suites = append(h.suites, suite)
	}
	if s.Empty() {
		return &h, nil
	}
	var extensions cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&extensions) {
		return nil, fmt.Errorf("%w: truncated extensions", errHello)
	}
	for !extensions.Empty() {
		var (
			id   uint16
			data cryptobyte.String
		)
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&data) {
			return nil, fmt.Errorf("%w: truncated extension", errHello)
		}
		h.extendedMaster = h.extendedMaster || id == extensionExtendedMasterSecret
	}
	return &h, nil
}
