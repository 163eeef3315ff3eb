package devicetls

import (
	"fmt"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

const (
	alertWarning         = 1
	alertFatal           = 2
	alertCloseNotify     = 0
	alertNoRenegotiation = 100
)

// CheckAlert returns the error with which the content of an alert record ends a device's session; nil for an alert
// that a device ignores. A device ignores every alert that is not fatal, except close_notify and, because it does not
// expect it in a first handshake, no_renegotiation.
func CheckAlert(body []byte) error {
	switch {
	case len(body) != 2:
		return malformed(measurement.DetailMalformedAlert, len(body))
	case body[0] == alertFatal, body[0] == alertWarning && (body[1] == alertCloseNotify || body[1] == alertNoRenegotiation):
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
func (e *AlertError) CloseNotify() bool { return e.Description == alertCloseNotify }

// AlertName returns the name and number of an alert description from IANA's registry of TLS alerts, for example
// "handshake_failure (40)". An unknown description gives only the number.
func AlertName(description uint8) string {
	if name, ok := alertName(description); ok {
		return fmt.Sprintf("%s (%d)", name, description)
	}
	return fmt.Sprintf("%d", description)
}

func alertName(description uint8) (name string, ok bool) {
	switch description {
	case 0:
		name = "close_notify"
	case 10:
		name = "unexpected_message"
	case 20:
		name = "bad_record_mac"
	case 21:
		name = "decryption_failed"
	case 22:
		name = "record_overflow"
	case 30:
		name = "decompression_failure"
	case 40:
		name = "handshake_failure"
	case 41:
		name = "no_certificate"
	case 42:
		name = "bad_certificate"
	case 43:
		name = "unsupported_certificate"
	case 44:
		name = "certificate_revoked"
	case 45:
		name = "certificate_expired"
	case 46:
		name = "certificate_unknown"
	case 47:
		name = "illegal_parameter"
	case 48:
		name = "unknown_ca"
	case 49:
		name = "access_denied"
	case 50:
		name = "decode_error"
	case 51:
		name = "decrypt_error"
	case 60:
		name = "export_restriction"
	case 70:
		name = "protocol_version"
	case 71:
		name = "insufficient_security"
	case 80:
		name = "internal_error"
	case 86:
		name = "inappropriate_fallback"
	case 90:
		name = "user_canceled"
	case 100:
		name = "no_renegotiation"
	case 109:
		name = "missing_extension"
	case 110:
		name = "unsupported_extension"
	case 111:
		name = "certificate_unobtainable"
	case 112:
		name = "unrecognized_name"
	case 113:
		name = "bad_certificate_status_response"
	case 114:
		name = "bad_certificate_hash_value"
	case 115:
		name = "unknown_psk_identity"
	case 116:
		name = "certificate_required"
	case 120:
		name = "no_application_protocol"
	}
	return name, name != ""
}
