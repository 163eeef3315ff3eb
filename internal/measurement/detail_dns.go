package measurement

// Kinds of [Detail] of a DNS exchange or look-up that failed.
const (
	// DNSDetailSilent: no answer arrived over UDP. N datagrams were sent within After.
	DNSDetailSilent DetailKind = "dns_silent"
	// DNSDetailRoundEnded: the round ended before an answer arrived.
	DNSDetailRoundEnded DetailKind = "dns_round_ended"
	// DNSDetailSuspended: no answer arrived, and this machine was suspended or overloaded: it ran After later than
	// planned.
	DNSDetailSuspended DetailKind = "dns_suspended"
	// DNSDetailNoSocket: this machine could not open or use a socket; Text is the system's error.
	DNSDetailNoSocket DetailKind = "dns_no_socket"
	// DNSDetailUnreachable: no datagram could be sent, or ICMP answered it; Text is the system's error.
	DNSDetailUnreachable DetailKind = "dns_unreachable"
	// DNSDetailTCPSilent: the answer over UDP was truncated, and none arrived over TCP within After.
	DNSDetailTCPSilent DetailKind = "dns_tcp_silent"
	// DNSDetailTCPFailed: the answer over UDP was truncated, and the exchange over TCP failed; Text is the system's
	// error.
	DNSDetailTCPFailed DetailKind = "dns_tcp_failed"
	// DNSDetailTCPClosed: the answer over UDP was truncated, and the server closed the TCP connection before its
	// answer was complete.
	DNSDetailTCPClosed DetailKind = "dns_tcp_closed"
	// DNSDetailTCPTruncated: the answer was truncated over UDP, and truncated or refused for its OPT record over TCP.
	DNSDetailTCPTruncated DetailKind = "dns_tcp_truncated"
	// DNSDetailTCPForeign: the answer over UDP was truncated, and the messages over TCP answered other questions.
	DNSDetailTCPForeign DetailKind = "dns_tcp_foreign"
	// DNSDetailBroken: the answer could not be parsed.
	DNSDetailBroken DetailKind = "dns_broken"
	// DNSDetailFlood: N packets arrived that do not answer the question.
	DNSDetailFlood DetailKind = "dns_flood"
	// DNSDetailRcode: the server answered with an error. N is the response code; EDE explains it, if the server sent
	// one.
	DNSDetailRcode DetailKind = "dns_rcode"
	// DNSDetailFiltered: the server gives addresses, and EDE says that it filters the name.
	DNSDetailFiltered DetailKind = "dns_filtered"
	// DNSDetailLoop: the CNAME chain does not end.
	DNSDetailLoop DetailKind = "dns_loop"
	// DNSDetailBadAddress: an address record of the answer holds no address.
	DNSDetailBadAddress DetailKind = "dns_bad_address"
	// DNSDetailNoAddress: the name exists, but has no address of the family asked for.
	DNSDetailNoAddress DetailKind = "dns_no_address"
)
