package present

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// detailText returns the clause for what is known about a failure in addition to its kind; "" if nothing is. It
// begins in lower case and has no full stop. A kind that detailTexts does not have gives the text of the detail.
func detailText(d measurement.Detail) string {
	clause := fillDetail(detailTexts[d.Kind], d)
	if d.Kind == measurement.DetailUnfit {
		clause = unfitText(d.Unfit)
		if d.N > 1 {
			clause += "; and " + count(d.N-1, "more reason")
		}
	}
	return text(cmp.Or(clause, d.Text))
}

// unfitText returns the clause for one reason why a device cannot use a server flight.
func unfitText(u measurement.UnfitReason) string {
	clause := fillDetail(unfitTexts[u.Kind], measurement.Detail{N: u.N, Max: u.Max, Text: u.Text})
	return cmp.Or(clause, text(string(u.Kind)))
}

// fillDetail replaces the names in braces of a clause by what they stand for in a detail; {:text} is the text after a
// colon, if there is one.
func fillDetail(clause string, d measurement.Detail) string {
	if !strings.Contains(clause, "{") {
		return clause
	}
	certificate, sent, flight, within, what := "the server's certificate", "", "after the hello", "", text(d.Text)
	if d.N != 0 {
		flight = fmt.Sprintf("after %s of the server flight", count(d.N, "byte"))
	}
	if d.N > 1 {
		certificate, sent = fmt.Sprintf("certificate %d of the server's list", d.N), " (sent "+times(d.N)+")"
	}
	if d.After > 0 {
		within = " within " + seconds(d.After.Seconds())
	}
	return fill(clause, map[string]string{
		"n": strconv.Itoa(d.N), "hex": fmt.Sprintf("%#04x", d.N), "bytes": count(d.N, "byte"), "sent": sent,
		"segments": count(d.N, "later segment"), "datagrams": count(d.N, "datagram"), "flight": flight,
		"max": strconv.Itoa(d.Max), "maxbytes": count(d.Max, "byte"), "after": seconds(d.After.Seconds()), "within": within,
		"alert": devicetls.AlertName(uint8(d.N)), "message": devicetls.MessageName(uint8(d.N)), "version": devicetls.VersionName(uint16(d.N)),
		"text": what, ":text": withDetail("", what), "date": dateText(what), "certificate": certificate,
		"rcode": rcodeText(d.N, d.EDE), "ede": edeText(d.EDE),
	})
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

// detailTexts has a clause for each kind of detail of a path except DetailUnfit. [fillDetail] replaces the
// names in braces.
var detailTexts = map[measurement.DetailKind]string{
	measurement.DetailConnectRST:      "RST in answer to the SYN",
	measurement.DetailConnectSilent:   "no answer to the SYN{within}",
	measurement.DetailConnectFailed:   "no connection{:text}",
	measurement.DetailConnectDeadline: "the round ended before the connection was open",
	measurement.DetailSocketFailed:    "this machine could not open a socket{:text}",
	measurement.DetailNoRoute:         "no route to the address{:text}",
	measurement.DetailLocalFailure:    "an error of this machine{:text}",
	measurement.DetailBadCredential:   "the client certificate cannot be used: it has no ECDSA key",
	measurement.DetailNotSentInTime:   "the round ended before the device's hello was sent",
	measurement.DetailPacketFilter:    "this machine's packet filter drops the packets{:text}",
	measurement.DetailICMP:            "ICMP error{:text}",
	measurement.DetailPortUnreachable: "ICMP port unreachable",
	measurement.DetailSuspended:       "this machine was suspended or overloaded when the answer should have arrived",

	measurement.DetailHelloUnanswered:    "no answer to the device's hello{sent}",
	measurement.DetailHelloNotDelivered:  "no answer to the device's hello, which was not acknowledged either: the packet with the hello is dropped",
	measurement.DetailHelloDelivered:     "no answer to the device's hello, although it was acknowledged",
	measurement.DetailSegmentsLost:       "the first part of the server flight is missing, although {segments} arrived: large packets are lost (MTU)",
	measurement.DetailHelloDeadline:      "the round ended before an answer to the device's hello",
	measurement.DetailWebHelloUnanswered: "no answer to a browser's hello",
	measurement.DetailFlightIncomplete:   "the server flight is incomplete: {bytes} received",
	measurement.DetailFlightDeadline:     "the round ended before the server flight was complete: {bytes} received",
	measurement.DetailFlightClosed:       "the server ended the connection {flight}",
	measurement.DetailFlightReset:        "the connection was reset {flight}",
	measurement.DetailCookieOnly:         "the server asked for a cookie after {after}, then its flight did not arrive: large datagrams or fragments may be lost (MTU)",
	measurement.DetailFragmentsMissing:   "the first answer came after {after}, but the server flight is incomplete: large datagrams or fragments may be lost (MTU)",
	measurement.DetailNotDTLS:            "{n} datagrams received, none of them DTLS",
	measurement.DetailNotTLS:             "the answer is not a TLS record{:text}",
	measurement.DetailHTTP:               "{text}",
	measurement.DetailHTTPServer:         "a server without TLS answers in plain HTTP{:text}",

	measurement.DetailAlert:             "the server sent the alert {alert}",
	measurement.DetailAlertAfterCert:    "the server sent the alert {alert} after the client certificate",
	measurement.DetailEndedAfterCert:    "the connection ended after the client certificate, without a TLS alert",
	measurement.DetailResetAfterCert:    "the connection was reset after the client certificate, without a TLS alert",
	measurement.DetailFinishSilent:      "no Finished from the server{within}",
	measurement.DetailFinishLost:        "the client's flight was not acknowledged{within}",
	measurement.DetailFinishCut:         "the connection ended before the client's flight was acknowledged",
	measurement.DetailFinishEnded:       "the connection ended after the client's flight",
	measurement.DetailIDRecordsLost:     "records with a connection id (DTLS content type 25) are lost: without one the handshake completes",
	measurement.DetailSessionEnded:      "the server ended the session before it answered the ping",
	measurement.DetailFramingRFC8323:    "the server frames CoAP by RFC 8323: it sent a Capabilities and Settings message",
	measurement.DetailFinishDeadline:    "the round ended before the server's Finished",
	measurement.DetailFinishFailed:      "the handshake failed{:text}",
	measurement.DetailFinishNotVerified: "the server's answer is not protected with the keys of this handshake",
	measurement.DetailKeyNotProved:      "the server did not prove its key{:text}",
	measurement.DetailPingDeadline:      "the round ended before the answer to the ping",
	measurement.DetailWebHandshake:      "the browser's handshake failed{:text}",
	measurement.DetailWebDeadline:       "the round ended before the end of the browser's handshake",

	measurement.DetailUnexpectedMessage:  "{message} out of order",
	measurement.DetailMalformedMessage:   "malformed {message}",
	measurement.DetailUnexpectedRecord:   "TLS record of type {n} out of order",
	measurement.DetailRecordLength:       "TLS record of {bytes}",
	measurement.DetailRecordMissing:      "bytes that are not a TLS record",
	measurement.DetailRecordVersion:      "TLS record of the version {version}",
	measurement.DetailMalformedAlert:     "TLS alert of {bytes}",
	measurement.DetailHandshakeTooLong:   "more than {maxbytes} of handshake messages",
	measurement.DetailTooManyWarnings:    "more than {max} warning alerts",
	measurement.DetailUnsupportedCipher:  "the handshake cannot be finished with the cipher suite {hex}",
	measurement.DetailRenegotiationFalse: "the server continues a session that did not exist",
}

// unfitTexts has a clause for each measurement.UnfitKind.
var unfitTexts = map[measurement.UnfitKind]string{
	measurement.UnfitMessageTooLong:   "handshake message of {bytes}; a device takes {max}",
	measurement.UnfitRecordTooLong:    "TLS record of {bytes}; a device takes {max}",
	measurement.UnfitSplitMessage:     "{text} is split across TLS records, which a device does not reassemble",
	measurement.UnfitSplitFragments:   "several fragments of a message in one DTLS record, which a device does not reassemble",
	measurement.UnfitEmptyRecord:      "an empty record in a datagram, of which a device drops the rest",
	measurement.UnfitTrailingBytes:    "{bytes} after the last record of a datagram, on which a device fails",
	measurement.UnfitVersion:          "version {text}; a device supports only (D)TLS 1.2",
	measurement.UnfitCipher:           "cipher suite {text}, which a device does not offer",
	measurement.UnfitExtension:        "the server answers the extension {text}, which a device does not offer",
	measurement.UnfitPointFormats:     "the server supports no point format of a device",
	measurement.UnfitTicketMissing:    "the server announces a session ticket and does not send it",
	measurement.UnfitTicketUnexpected: "the server sends a session ticket that it did not announce",
	measurement.UnfitNoCertificate:    "no certificate",
	measurement.UnfitLeafNotFirst:     "the certificate of the server's own key is number {n} of its list; a device expects it first",
	measurement.UnfitKeyExchange:      "no ServerKeyExchange: the key exchange is not ECDHE",
	measurement.UnfitCurve:            "key exchange on the curve {text}; a device supports only secp256r1",
	measurement.UnfitSignatureScheme:  "signature algorithm {hex}; a device offers 0x0403 and 0x0303",
}
