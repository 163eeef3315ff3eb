package measurement

import "time"

// DetailKind names one fact about a failure. It is a closed list; package present has one sentence for each kind, and
// the kind says which of Detail's other fields are set.
type DetailKind string

// Detail is what is known about a failure in addition to its [Failure], as data. The zero value means that nothing more
// is known. A Detail without a kind shows its Text as it is.
type Detail struct {
	Kind  DetailKind
	N     int           // a count, a number of bytes, or a code of the protocol
	Max   int           // the limit that N exceeds, or that was reached
	After time.Duration // how long it took or lasted
	Text  string        // from the peer or the operating system; safe to show, see [Text]
	EDE   EDE           // the server's explanation of a DNS error; zero without one
	Unfit UnfitReason   // of DetailUnfit
}

// Details of a connect, and of opening a socket.
const (
	DetailConnectRST      DetailKind = "connect_rst"      // RST answered the SYN
	DetailConnectSilent   DetailKind = "connect_silent"   // nothing answered the SYN within After
	DetailConnectFailed   DetailKind = "connect_failed"   // the operating system gave up, for the reason in Text
	DetailConnectDeadline DetailKind = "connect_deadline" // the round's deadline came first
	DetailSocketFailed    DetailKind = "socket_failed"    // this machine could not open a socket, for the reason in Text
	DetailNoRoute         DetailKind = "no_route"         // this machine has no route to the address; Text is its error
	DetailLocalFailure    DetailKind = "local_failure"    // another error of this machine: Text
	DetailBadCredential   DetailKind = "bad_credential"   // the client certificate cannot be used
	DetailNotSentInTime   DetailKind = "not_sent_in_time" // the round's deadline came before anything was sent
	DetailPacketFilter    DetailKind = "packet_filter"    // this machine's own packet filter drops the datagrams: Text
	DetailICMP            DetailKind = "icmp"             // ICMP reports the error in Text
	DetailPortUnreachable DetailKind = "port_unreachable" // ICMP port unreachable
	DetailSuspended       DetailKind = "suspended"        // this machine was suspended or overloaded when the answer should have come
)

// Details of a hello and of the server flight.
const (
	DetailHelloUnanswered    DetailKind = "hello_unanswered"     // no answer to the device's hello, which was sent N times
	DetailHelloDeadline      DetailKind = "hello_deadline"       // the round's deadline came before any answer to the hello
	DetailHelloNotDelivered  DetailKind = "hello_not_delivered"  // no answer, and the hello was not acknowledged (TCP)
	DetailHelloDelivered     DetailKind = "hello_delivered"      // no answer, although the hello was acknowledged (TCP)
	DetailSegmentsLost       DetailKind = "segments_lost"        // N later segments of the flight arrived, but not those before them
	DetailWebHelloUnanswered DetailKind = "web_hello_unanswered" // no answer to the browser's hello
	DetailFlightIncomplete   DetailKind = "flight_incomplete"    // N bytes of the server flight came, and then nothing
	DetailFlightDeadline     DetailKind = "flight_deadline"      // the round's deadline came after N bytes of the server flight
	DetailFlightClosed       DetailKind = "flight_closed"        // FIN after N bytes of the server flight
	DetailFlightReset        DetailKind = "flight_reset"         // RST after N bytes of the server flight
	DetailCookieOnly         DetailKind = "cookie_only"          // a HelloVerifyRequest came after After, and then no flight
	DetailFragmentsMissing   DetailKind = "fragments_missing"    // the first datagram came after After, but not all of the flight
	DetailNotDTLS            DetailKind = "not_dtls"             // N datagrams came, none of them a DTLS record
	DetailNotTLS             DetailKind = "not_tls"              // the answer is not a TLS record; Text is how it begins
	DetailHTTP               DetailKind = "http"                 // the answer is an HTTP page or redirect; Text is its first line
	DetailHTTPServer         DetailKind = "http_server"          // a server without TLS answers in HTTP; Text is its first line
	DetailUnfit              DetailKind = "unfit"                // a device cannot use the flight: the first of N reasons
)

// Details of a finish, a ping, and a TLS alert.
const (
	DetailAlert             DetailKind = "alert"                // the server sent the alert with the code N
	DetailAlertAfterCert    DetailKind = "alert_after_cert"     // the same, after the client's certificate
	DetailEndedAfterCert    DetailKind = "ended_after_cert"     // FIN, RST or close_notify after the client's certificate
	DetailFinishSilent      DetailKind = "finish_silent"        // no Finished of the server within After
	DetailFinishLost        DetailKind = "finish_lost"          // no Finished within After, and the client's flight was not acknowledged
	DetailFinishCut         DetailKind = "finish_cut"           // FIN or RST before the client's flight was sent or acknowledged
	DetailFinishEnded       DetailKind = "finish_ended"         // FIN or RST after the client's flight, which has no certificate or was accepted
	DetailIDRecordsLost     DetailKind = "id_records_lost"      // only records with a connection id are lost
	DetailSessionEnded      DetailKind = "session_ended"        // the server ended the session before it answered the ping
	DetailFramingRFC8323    DetailKind = "framing_rfc8323"      // the server frames CoAP by RFC 8323: it sent a CSM
	DetailFinishDeadline    DetailKind = "finish_deadline"      // the round's deadline came before the server's Finished
	DetailFinishFailed      DetailKind = "finish_failed"        // the handshake failed for the reason in Text
	DetailFinishNotVerified DetailKind = "finish_not_verified"  // a record or the Finished is not protected with the handshake's keys
	DetailKeyNotProved      DetailKind = "key_not_proved"       // the server did not prove that it has the certificate's key; Text is the error
	DetailPingDeadline      DetailKind = "ping_deadline"        // the round's deadline came before the answer to the ping
	DetailWebHandshake      DetailKind = "web_handshake_failed" // crypto/tls rejected the server's messages for the reason in Text
	DetailWebDeadline       DetailKind = "web_deadline"         // the round's deadline came before the end of the browser's handshake
)

// Details of a breach of the protocol.
const (
	DetailUnexpectedMessage  DetailKind = "unexpected_message"  // a handshake message of type N out of order
	DetailMalformedMessage   DetailKind = "malformed_message"   // a handshake message of type N that cannot be parsed
	DetailUnexpectedRecord   DetailKind = "unexpected_record"   // a record of content type N out of order
	DetailRecordLength       DetailKind = "record_length"       // a record of N bytes
	DetailRecordMissing      DetailKind = "record_missing"      // bytes that do not begin a record follow a record
	DetailRecordVersion      DetailKind = "record_version"      // a record of the protocol version N
	DetailMalformedAlert     DetailKind = "malformed_alert"     // an alert of N bytes
	DetailHandshakeTooLong   DetailKind = "handshake_too_long"  // more than Max bytes of handshake messages
	DetailTooManyWarnings    DetailKind = "too_many_warnings"   // more than Max warning alerts
	DetailUnsupportedCipher  DetailKind = "unsupported_cipher"  // the cipher suite N cannot be continued with
	DetailRenegotiationFalse DetailKind = "renegotiation_false" // the server continues a session that did not exist (RFC 5746)
)

// PathDetails lists every kind that package path gives.
var PathDetails = []DetailKind{
	DetailConnectRST, DetailConnectSilent, DetailConnectFailed, DetailConnectDeadline, DetailSocketFailed, DetailNoRoute,
	DetailLocalFailure, DetailBadCredential, DetailNotSentInTime, DetailPacketFilter, DetailICMP, DetailPortUnreachable,
	DetailSuspended,

	DetailHelloUnanswered, DetailHelloNotDelivered, DetailHelloDelivered, DetailSegmentsLost, DetailHelloDeadline, DetailWebHelloUnanswered, DetailFlightIncomplete, DetailFlightDeadline,
	DetailFlightClosed, DetailFlightReset, DetailCookieOnly, DetailFragmentsMissing, DetailNotDTLS, DetailNotTLS, DetailHTTP,
	DetailHTTPServer,
	DetailUnfit,

	DetailAlert, DetailAlertAfterCert, DetailEndedAfterCert, DetailFinishSilent, DetailFinishLost,
	DetailFinishCut, DetailFinishEnded, DetailIDRecordsLost, DetailSessionEnded, DetailFramingRFC8323, DetailFinishDeadline, DetailFinishFailed,
	DetailFinishNotVerified, DetailKeyNotProved, DetailPingDeadline, DetailWebHandshake, DetailWebDeadline,

	DetailUnexpectedMessage, DetailMalformedMessage, DetailUnexpectedRecord, DetailRecordLength, DetailRecordMissing,
	DetailRecordVersion, DetailMalformedAlert, DetailHandshakeTooLong, DetailTooManyWarnings, DetailUnsupportedCipher,
	DetailRenegotiationFalse,
}

// UnfitKind names one reason why a device cannot use a server flight. It is a closed list, in RFC terms.
type UnfitKind string

// UnfitReason is one reason why a device cannot use a server flight.
type UnfitReason struct {
	Kind UnfitKind
	N    int    // a number of bytes, or a code of the protocol
	Max  int    // the limit that N exceeds
	Text string // an algorithm, a curve, an extension or a message, by its registered name; safe to show
}

const (
	UnfitMessageTooLong   UnfitKind = "message_too_long"  // a handshake message of N bytes; a device takes Max
	UnfitRecordTooLong    UnfitKind = "record_too_long"   // a record of N bytes; a device takes Max
	UnfitSplitMessage     UnfitKind = "split_message"     // the message Text is split across TLS records
	UnfitSplitFragments   UnfitKind = "split_fragments"   // a DTLS record has several fragments of one message
	UnfitTrailingBytes    UnfitKind = "trailing_bytes"    // a datagram has N bytes after its last record
	UnfitVersion          UnfitKind = "version"           // the protocol version Text
	UnfitCipher           UnfitKind = "cipher"            // the cipher suite Text, which a device does not offer
	UnfitExtension        UnfitKind = "extension"         // the server answers the extension Text, which a device does not offer
	UnfitPointFormats     UnfitKind = "point_formats"     // ec_point_formats without a format that a device supports
	UnfitTicketMissing    UnfitKind = "ticket_missing"    // the server announces a session ticket and sends none
	UnfitTicketUnexpected UnfitKind = "ticket_unexpected" // the server sends a session ticket that it did not announce
	UnfitNoCertificate    UnfitKind = "no_certificate"    // the flight has no certificate
	UnfitKeyExchange      UnfitKind = "key_exchange"      // the key exchange is not ECDHE
	UnfitCurve            UnfitKind = "curve"             // ECDHE on the curve Text
	UnfitSignatureScheme  UnfitKind = "signature_scheme"  // ServerKeyExchange signed by the scheme N
)

// UnfitKinds lists every kind.
var UnfitKinds = []UnfitKind{
	UnfitMessageTooLong, UnfitRecordTooLong, UnfitSplitMessage, UnfitSplitFragments, UnfitTrailingBytes, UnfitVersion,
	UnfitCipher, UnfitExtension, UnfitPointFormats, UnfitTicketMissing, UnfitTicketUnexpected,
	UnfitNoCertificate, UnfitKeyExchange, UnfitCurve, UnfitSignatureScheme,
}
