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
	// DetailConnectRST: RST answered the SYN.
	DetailConnectRST DetailKind = "connect_rst"
	// DetailConnectSilent: nothing answered the SYN within After.
	DetailConnectSilent DetailKind = "connect_silent"
	// DetailConnectFailed: the operating system gave up, for the reason in Text.
	DetailConnectFailed DetailKind = "connect_failed"
	// DetailConnectDeadline: the round's deadline came first.
	DetailConnectDeadline DetailKind = "connect_deadline"
	// DetailSocketFailed: this machine could not open a socket, for the reason in Text.
	DetailSocketFailed DetailKind = "socket_failed"
	// DetailNoRoute: this machine has no route to the address; Text is its error.
	DetailNoRoute DetailKind = "no_route"
	// DetailLocalFailure: another error of this machine: Text.
	DetailLocalFailure DetailKind = "local_failure"
	// DetailBadCredential: the client certificate cannot be used.
	DetailBadCredential DetailKind = "bad_credential"
	// DetailNotSentInTime: the round's deadline came before anything was sent.
	DetailNotSentInTime DetailKind = "not_sent_in_time"
	// DetailPacketFilter: this machine's own packet filter drops the packets: Text.
	DetailPacketFilter DetailKind = "packet_filter"
	// DetailICMP: ICMP reports the error in Text.
	DetailICMP DetailKind = "icmp"
	// DetailPortUnreachable: ICMP port unreachable.
	DetailPortUnreachable DetailKind = "port_unreachable"
	// DetailSuspended: this machine was suspended or overloaded when the answer should have come.
	DetailSuspended DetailKind = "suspended"
)

// Details of a hello and of the server flight.
const (
	// DetailHelloUnanswered: no answer to the device's hello, which was sent N times.
	DetailHelloUnanswered DetailKind = "hello_unanswered"
	// DetailHelloDeadline: the round's deadline came before any answer to the hello.
	DetailHelloDeadline DetailKind = "hello_deadline"
	// DetailHelloNotDelivered: no answer, and the hello was not acknowledged (TCP).
	DetailHelloNotDelivered DetailKind = "hello_not_delivered"
	// DetailHelloDelivered: no answer, although the hello was acknowledged (TCP).
	DetailHelloDelivered DetailKind = "hello_delivered"
	// DetailSegmentsLost: N later segments of the flight arrived, but not those before them.
	DetailSegmentsLost DetailKind = "segments_lost"
	// DetailWebHelloUnanswered: no answer to the browser's hello.
	DetailWebHelloUnanswered DetailKind = "web_hello_unanswered"
	// DetailFlightIncomplete: N bytes of the server flight came, and then nothing.
	DetailFlightIncomplete DetailKind = "flight_incomplete"
	// DetailFlightDeadline: the round's deadline came after N bytes of the server flight.
	DetailFlightDeadline DetailKind = "flight_deadline"
	// DetailFlightClosed: FIN after N bytes of the server flight.
	DetailFlightClosed DetailKind = "flight_closed"
	// DetailFlightReset: RST after N bytes of the server flight.
	DetailFlightReset DetailKind = "flight_reset"
	// DetailCookieOnly: a HelloVerifyRequest came after After, and then no flight.
	DetailCookieOnly DetailKind = "cookie_only"
	// DetailFragmentsMissing: the first datagram came after After, but not all of the flight.
	DetailFragmentsMissing DetailKind = "fragments_missing"
	// DetailNotDTLS: N datagrams came, none of them a DTLS record.
	DetailNotDTLS DetailKind = "not_dtls"
	// DetailNotTLS: the answer is not a TLS record; Text is how it begins.
	DetailNotTLS DetailKind = "not_tls"
	// DetailHTTP: the answer is an HTTP page or redirect; Text is its first line.
	DetailHTTP DetailKind = "http"
	// DetailHTTPServer: a server without TLS answers in HTTP; Text is its first line.
	DetailHTTPServer DetailKind = "http_server"
	// DetailUnfit: a device cannot use the flight: the first of N reasons.
	DetailUnfit DetailKind = "unfit"
)

// Details of a finish, a ping, and a TLS alert.
const (
	// DetailAlert: the server sent the alert with the code N.
	DetailAlert DetailKind = "alert"
	// DetailAlertAfterCert: the same, after the client's certificate.
	DetailAlertAfterCert DetailKind = "alert_after_cert"
	// DetailEndedAfterCert: FIN or close_notify after the client's certificate.
	DetailEndedAfterCert DetailKind = "ended_after_cert"
	// DetailResetAfterCert: RST after the client's certificate.
	DetailResetAfterCert DetailKind = "reset_after_cert"
	// DetailFinishSilent: no Finished of the server within After.
	DetailFinishSilent DetailKind = "finish_silent"
	// DetailFinishLost: no Finished within After, and the client's flight was not acknowledged.
	DetailFinishLost DetailKind = "finish_lost"
	// DetailFinishCut: FIN or RST before the client's flight was sent or acknowledged.
	DetailFinishCut DetailKind = "finish_cut"
	// DetailFinishEnded: FIN or RST after the client's flight, which has no certificate or was accepted.
	DetailFinishEnded DetailKind = "finish_ended"
	// DetailIDRecordsLost: only records with a connection id are lost.
	DetailIDRecordsLost DetailKind = "id_records_lost"
	// DetailSessionEnded: the server ended the session before it answered the ping.
	DetailSessionEnded DetailKind = "session_ended"
	// DetailFramingRFC8323: the server frames CoAP by RFC 8323: it sent a CSM.
	DetailFramingRFC8323 DetailKind = "framing_rfc8323"
	// DetailFinishDeadline: the round's deadline came before the server's Finished.
	DetailFinishDeadline DetailKind = "finish_deadline"
	// DetailFinishFailed: the handshake failed for the reason in Text.
	DetailFinishFailed DetailKind = "finish_failed"
	// DetailFinishNotVerified: a record or the Finished is not protected with the handshake's keys.
	DetailFinishNotVerified DetailKind = "finish_not_verified"
	// DetailKeyNotProved: the server did not prove that it has the certificate's key; Text is the error.
	DetailKeyNotProved DetailKind = "key_not_proved"
	// DetailPingDeadline: the round's deadline came before the answer to the ping.
	DetailPingDeadline DetailKind = "ping_deadline"
	// DetailWebHandshake: crypto/tls rejected the server's messages for the reason in Text.
	DetailWebHandshake DetailKind = "web_handshake_failed"
	// DetailWebDeadline: the round's deadline came before the end of the browser's handshake.
	DetailWebDeadline DetailKind = "web_deadline"
)

// Details of a breach of the protocol.
const (
	// DetailUnexpectedMessage: a handshake message of type N out of order.
	DetailUnexpectedMessage DetailKind = "unexpected_message"
	// DetailMalformedMessage: a handshake message of type N that cannot be parsed.
	DetailMalformedMessage DetailKind = "malformed_message"
	// DetailUnexpectedRecord: a record of content type N out of order.
	DetailUnexpectedRecord DetailKind = "unexpected_record"
	// DetailRecordLength: a record of N bytes.
	DetailRecordLength DetailKind = "record_length"
	// DetailRecordMissing: bytes that do not begin a record follow a record.
	DetailRecordMissing DetailKind = "record_missing"
	// DetailRecordVersion: a record of the protocol version N.
	DetailRecordVersion DetailKind = "record_version"
	// DetailMalformedAlert: an alert of N bytes.
	DetailMalformedAlert DetailKind = "malformed_alert"
	// DetailHandshakeTooLong: more than Max bytes of handshake messages.
	DetailHandshakeTooLong DetailKind = "handshake_too_long"
	// DetailTooManyWarnings: more than Max warning alerts.
	DetailTooManyWarnings DetailKind = "too_many_warnings"
	// DetailUnsupportedCipher: the cipher suite N cannot be continued with.
	DetailUnsupportedCipher DetailKind = "unsupported_cipher"
	// DetailRenegotiationFalse: the server continues a session that did not exist (RFC 5746).
	DetailRenegotiationFalse DetailKind = "renegotiation_false"
)

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
	// UnfitMessageTooLong: a handshake message of N bytes; a device takes Max.
	UnfitMessageTooLong UnfitKind = "message_too_long"
	// UnfitRecordTooLong: a record of N bytes; a device takes Max.
	UnfitRecordTooLong UnfitKind = "record_too_long"
	// UnfitSplitMessage: the message Text is split across TLS records.
	UnfitSplitMessage UnfitKind = "split_message"
	// UnfitSplitFragments: a DTLS record has several fragments of one message.
	UnfitSplitFragments UnfitKind = "split_fragments"
	// UnfitEmptyRecord: a datagram has an empty record before others.
	UnfitEmptyRecord UnfitKind = "empty_record"
	// UnfitTrailingBytes: a datagram has N bytes after its last record.
	UnfitTrailingBytes UnfitKind = "trailing_bytes"
	// UnfitVersion: the protocol version Text.
	UnfitVersion UnfitKind = "version"
	// UnfitCipher: the cipher suite Text, which a device does not offer.
	UnfitCipher UnfitKind = "cipher"
	// UnfitExtension: the server answers the extension Text, which a device does not offer.
	UnfitExtension UnfitKind = "extension"
	// UnfitPointFormats: ec_point_formats without a format that a device supports.
	UnfitPointFormats UnfitKind = "point_formats"
	// UnfitTicketMissing: the server announces a session ticket and sends none.
	UnfitTicketMissing UnfitKind = "ticket_missing"
	// UnfitTicketUnexpected: the server sends a session ticket that it did not announce.
	UnfitTicketUnexpected UnfitKind = "ticket_unexpected"
	// UnfitNoCertificate: the flight has no certificate.
	UnfitNoCertificate UnfitKind = "no_certificate"
	// UnfitLeafNotFirst: the server has the key of the certificate at position N of its list; a device takes the first.
	UnfitLeafNotFirst UnfitKind = "leaf_not_first"
	// UnfitKeyExchange: the key exchange is not ECDHE.
	UnfitKeyExchange UnfitKind = "key_exchange"
	// UnfitCurve: ECDHE on the curve Text.
	UnfitCurve UnfitKind = "curve"
	// UnfitSignatureScheme: ServerKeyExchange signed by the scheme N.
	UnfitSignatureScheme UnfitKind = "signature_scheme"
)
