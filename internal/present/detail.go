package present

import (
	"fmt"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// detailText returns the clause for what is known about a failure in addition to its kind; "" if nothing is. It
// begins in lower case and has no full stop. A kind that this function does not know gives the text of the detail.
func detailText(d measurement.Detail) string { return text(detailClause(d)) }

func detailClause(d measurement.Detail) string {
	// Not exhaustive: the kinds of DNS and trust are worded in files of their own; a test runs over all kinds.
	//exhaustive:ignore
	switch d.Kind {
	case measurement.DetailConnectRST:
		return "RST in answer to the SYN"
	case measurement.DetailConnectSilent:
		return "no answer to the SYN" + within(d.After)
	case measurement.DetailConnectFailed:
		return withText("no connection", d.Text)
	case measurement.DetailConnectDeadline:
		return "the round ended before the connection was open"
	case measurement.DetailSocketFailed:
		return withText("this machine could not open a socket", d.Text)
	case measurement.DetailNoRoute:
		return withText("no route to the address", d.Text)
	case measurement.DetailLocalFailure:
		return withText("an error of this machine", d.Text)
	case measurement.DetailBadCredential:
		return "the client certificate cannot be used: it has no ECDSA key"
	case measurement.DetailNotSentInTime:
		return "the round ended before the device's hello was sent"
	case measurement.DetailPacketFilter:
		return withText("this machine's packet filter drops the packets", d.Text)
	case measurement.DetailICMP:
		return withText("ICMP error", d.Text)
	case measurement.DetailPortUnreachable:
		return "ICMP port unreachable"
	case measurement.DetailSuspended:
		return "this machine was suspended or overloaded when the answer should have arrived"

	case measurement.DetailHelloUnanswered:
		if d.N > 1 {
			return fmt.Sprintf("no answer to the device's hello (sent %s)", times(d.N))
		}
		return "no answer to the device's hello"
	case measurement.DetailHelloNotDelivered:
		return "no answer to the device's hello, which was not acknowledged either: the packet with the hello is dropped"
	case measurement.DetailHelloDelivered:
		return "no answer to the device's hello, although it was acknowledged"
	case measurement.DetailSegmentsLost:
		return fmt.Sprintf("the first part of the server flight is missing, although %s arrived: large packets are lost (MTU)",
			plural(d.N, "1 later segment", fmt.Sprintf("%d later segments", d.N)))
	case measurement.DetailHelloDeadline:
		return "the round ended before an answer to the device's hello"
	case measurement.DetailWebHelloUnanswered:
		return "no answer to a browser's hello"
	case measurement.DetailFlightIncomplete:
		return fmt.Sprintf("the server flight is incomplete: %s received", byteCount(d.N))
	case measurement.DetailFlightDeadline:
		return fmt.Sprintf("the round ended before the server flight was complete: %s received", byteCount(d.N))
	case measurement.DetailFlightClosed:
		return "the server ended the connection " + flightSoFar(d.N)
	case measurement.DetailFlightReset:
		return "the connection was reset " + flightSoFar(d.N)
	case measurement.DetailCookieOnly:
		return fmt.Sprintf("the server asked for a cookie after %s, then its flight did not arrive: large datagrams or fragments may be lost (MTU)", seconds(d.After.Seconds()))
	case measurement.DetailFragmentsMissing:
		return fmt.Sprintf("the first answer came after %s, but the server flight is incomplete: large datagrams or fragments may be lost (MTU)", seconds(d.After.Seconds()))
	case measurement.DetailNotDTLS:
		return fmt.Sprintf("%d datagrams received, none of them DTLS", d.N)
	case measurement.DetailNotTLS:
		return withText("the answer is not a TLS record", d.Text)
	case measurement.DetailHTTP:
		return text(d.Text)
	case measurement.DetailHTTPServer:
		return withText("a server without TLS answers in plain HTTP", d.Text)
	case measurement.DetailUnfit:
		if d.N > 1 {
			return fmt.Sprintf("%s; and %s", unfitText(d.Unfit), count(d.N-1, "more reason"))
		}
		return unfitText(d.Unfit)

	case measurement.DetailAlert:
		return "the server sent the alert " + devicetls.AlertName(uint8(d.N))
	case measurement.DetailAlertAfterCert:
		return fmt.Sprintf("the server sent the alert %s after the client certificate", devicetls.AlertName(uint8(d.N)))
	case measurement.DetailEndedAfterCert:
		return "the connection ended after the client certificate, without a TLS alert"
	case measurement.DetailResetAfterCert:
		return "the connection was reset after the client certificate, without a TLS alert"
	case measurement.DetailFinishSilent:
		return "no Finished from the server" + within(d.After)
	case measurement.DetailFinishLost:
		return "the client's flight was not acknowledged" + within(d.After)
	case measurement.DetailFinishCut:
		return "the connection ended before the client's flight was acknowledged"
	case measurement.DetailFinishEnded:
		return "the connection ended after the client's flight"
	case measurement.DetailIDRecordsLost:
		return "records with a connection id (DTLS content type 25) are lost: without one the handshake completes"
	case measurement.DetailSessionEnded:
		return "the server ended the session before it answered the ping"
	case measurement.DetailFramingRFC8323:
		return "the server frames CoAP by RFC 8323: it sent a Capabilities and Settings message"
	case measurement.DetailFinishDeadline:
		return "the round ended before the server's Finished"
	case measurement.DetailFinishFailed:
		return withText("the handshake failed", d.Text)
	case measurement.DetailFinishNotVerified:
		return "the server's answer is not protected with the keys of this handshake"
	case measurement.DetailKeyNotProved:
		return withText("the server did not prove its key", d.Text)
	case measurement.DetailPingDeadline:
		return "the round ended before the answer to the ping"
	case measurement.DetailWebHandshake:
		return withText("the browser's handshake failed", d.Text)
	case measurement.DetailWebDeadline:
		return "the round ended before the end of the browser's handshake"

	case measurement.DetailUnexpectedMessage:
		return devicetls.MessageName(uint8(d.N)) + " out of order"
	case measurement.DetailMalformedMessage:
		return "malformed " + devicetls.MessageName(uint8(d.N))
	case measurement.DetailUnexpectedRecord:
		return fmt.Sprintf("TLS record of type %d out of order", d.N)
	case measurement.DetailRecordLength:
		return fmt.Sprintf("TLS record of %s", byteCount(d.N))
	case measurement.DetailRecordMissing:
		return "bytes that are not a TLS record"
	case measurement.DetailRecordVersion:
		return "TLS record of the version " + devicetls.VersionName(uint16(d.N))
	case measurement.DetailMalformedAlert:
		return fmt.Sprintf("TLS alert of %s", byteCount(d.N))
	case measurement.DetailHandshakeTooLong:
		return fmt.Sprintf("more than %s of handshake messages", byteCount(d.Max))
	case measurement.DetailTooManyWarnings:
		return fmt.Sprintf("more than %d warning alerts", d.Max)
	case measurement.DetailUnsupportedCipher:
		return fmt.Sprintf("the handshake cannot be finished with the cipher suite %#04x", d.N)
	case measurement.DetailRenegotiationFalse:
		return "the server continues a session that did not exist"
	}
	return text(d.Text)
}

// unfitText returns the clause for one reason why a device cannot use a server flight.
func unfitText(u measurement.UnfitReason) string {
	switch u.Kind {
	case measurement.UnfitMessageTooLong:
		return fmt.Sprintf("handshake message of %s; a device takes %d", byteCount(u.N), u.Max)
	case measurement.UnfitRecordTooLong:
		return fmt.Sprintf("TLS record of %s; a device takes %d", byteCount(u.N), u.Max)
	case measurement.UnfitSplitMessage:
		return text(u.Text) + " is split across TLS records, which a device does not reassemble"
	case measurement.UnfitSplitFragments:
		return "several fragments of a message in one DTLS record, which a device does not reassemble"
	case measurement.UnfitEmptyRecord:
		return "an empty record in a datagram, of which a device drops the rest"
	case measurement.UnfitTrailingBytes:
		return fmt.Sprintf("%s after the last record of a datagram, on which a device fails", byteCount(u.N))
	case measurement.UnfitVersion:
		return fmt.Sprintf("version %s; a device supports only (D)TLS 1.2", text(u.Text))
	case measurement.UnfitCipher:
		return fmt.Sprintf("cipher suite %s, which a device does not offer", text(u.Text))
	case measurement.UnfitExtension:
		return fmt.Sprintf("the server answers the extension %s, which a device does not offer", text(u.Text))
	case measurement.UnfitPointFormats:
		return "the server supports no point format of a device"
	case measurement.UnfitTicketMissing:
		return "the server announces a session ticket and does not send it"
	case measurement.UnfitTicketUnexpected:
		return "the server sends a session ticket that it did not announce"
	case measurement.UnfitNoCertificate:
		return "no certificate"
	case measurement.UnfitLeafNotFirst:
		return fmt.Sprintf("the certificate of the server's own key is number %d of its list; a device expects it first", u.N)
	case measurement.UnfitKeyExchange:
		return "no ServerKeyExchange: the key exchange is not ECDHE"
	case measurement.UnfitCurve:
		return fmt.Sprintf("key exchange on the curve %s; a device supports only secp256r1", text(u.Text))
	case measurement.UnfitSignatureScheme:
		return fmt.Sprintf("signature algorithm %#04x; a device offers 0x0403 and 0x0303", u.N)
	}
	return text(string(u.Kind))
}

// withText appends a text of the peer or the operating system to a clause, if there is one.
func withText(clause, t string) string {
	if t = text(t); t == "" {
		return clause
	}
	return clause + ": " + t
}

// within is " within 3s"; "" for an unknown duration.
func within(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return " within " + seconds(d.Seconds())
}

// flightSoFar says how much of the server flight came before it ended.
func flightSoFar(n int) string {
	if n == 0 {
		return "after the hello"
	}
	return fmt.Sprintf("after %s of the server flight", byteCount(n))
}

// times is "once", "twice" or "3 times".
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func byteCount(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}
