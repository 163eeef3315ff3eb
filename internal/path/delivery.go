package path

import "github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"

// delivery says whether the peer's TCP has acknowledged everything that was sent.
type delivery int

const (
	deliveryUnknown delivery = iota
	delivered
	undelivered
)

// deliveryOf compares what was sent on a connection with what the peer acknowledged. The acknowledgement shows that the
// bytes reached the peer, or a middlebox that terminates TCP.
func deliveryOf(info sockclock.TCPInfo, sent int) delivery {
	const syn = 1 // which Linux counts
	switch {
	case info.Acked == 0:
		return deliveryUnknown
	case info.Acked >= uint64(sent)+syn:
		return delivered
	}
	return undelivered
}
