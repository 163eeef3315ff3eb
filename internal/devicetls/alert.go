package devicetls

import (
	"fmt"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Levels and descriptions of alerts (RFC 5246 §7.2) that decide whether a device goes on.
const (
	AlertWarning         = 1
	AlertFatal           = 2
	AlertCloseNotify     = 0
	AlertNoRenegotiation = 100
)

// CheckAlert returns the error with which the content of an alert record ends a device's session; nil for an alert
// that a device ignores. A device ignores every alert that is not fatal, except close_notify and, because it does not
// expect it in a first handshake, no_renegotiation.
func CheckAlert(body []byte) error {
	switch {
	case len(body) != 2:
		return malformed(measurement.DetailMalformedAlert, len(body))
	case body[0] == AlertFatal, body[0] == AlertWarning && (body[1] == AlertCloseNotify || body[1] == AlertNoRenegotiation):
		return &AlertError{Level: body[0], Description: body[1]}
	}
	return nil
}

// AlertError is an alert that ends the session: a fatal one, or close_notify (RFC 5246 §7.2).
type AlertError struct {
	Level       uint8
	Description uint8
}

func (e *AlertError) Error() string { return "the server sent the alert " + AlertName(e.Description) }

// CloseNotify reports whether the alert is close_notify, an orderly end of the session.
func (e *AlertError) CloseNotify() bool { return e.Description == AlertCloseNotify }

// AlertName returns the name and number of an alert description from IANA's registry of TLS alerts, for example
// "handshake_failure (40)". An unknown description gives only the number.
func AlertName(description uint8) string {
	if name, ok := alertNames[description]; ok {
		return fmt.Sprintf("%s (%d)", name, description)
	}
	return fmt.Sprintf("%d", description)
}

var alertNames = map[uint8]string{
	0:   "close_notify",
	10:  "unexpected_message",
	20:  "bad_record_mac",
	21:  "decryption_failed",
	22:  "record_overflow",
	30:  "decompression_failure",
	40:  "handshake_failure",
	41:  "no_certificate",
	42:  "bad_certificate",
	43:  "unsupported_certificate",
	44:  "certificate_revoked",
	45:  "certificate_expired",
	46:  "certificate_unknown",
	47:  "illegal_parameter",
	48:  "unknown_ca",
	49:  "access_denied",
	50:  "decode_error",
	51:  "decrypt_error",
	60:  "export_restriction",
	70:  "protocol_version",
	71:  "insufficient_security",
	80:  "internal_error",
	86:  "inappropriate_fallback",
	90:  "user_canceled",
	100: "no_renegotiation",
	109: "missing_extension",
	110: "unsupported_extension",
	111: "certificate_unobtainable",
	112: "unrecognized_name",
	113: "bad_certificate_status_response",
	114: "bad_certificate_hash_value",
	115: "unknown_psk_identity",
	116: "certificate_required",
	120: "no_application_protocol",
}
