package path

import "github.com/endpoint-exporter/endpoint_exporter/internal/evidence"

func (s *udpSession) judgeFlight() (evidence.Failure, string) {
	flight := s.client.ServerFlight()
	if len(flight) == 0 {
		return "", ""
	}
	tls := &evidence.TLS{Version: 0xfefd}
	for _, m := range flight {
		tls.FlightBytes += m.Size()
		if m.Type == 13 {
			tls.CertificateRequested = true
		}
	}
	s.out.TLS = tls
	return "", ""
}
