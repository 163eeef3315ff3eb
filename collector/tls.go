package collector

import (
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// tls adds the series about the server's side of the handshake: of the walk itself or, if the device's hello saw no
// certificate, of the browser's hello that was sent after it.
func (s *series) tls(of *subject, w *report.Walk) {
	shown := w.Outcome.SawTLS()
	seen := shown.TLS
	if seen == nil {
		return
	}
	s.certificate(of, &w.Judgement, seen)
	if seen.Version != 0 {
		s.add(tlsInfo, 1, of, devicetls.VersionName(seen.Version), cipherName(seen.Cipher), measurement.Text(string(shown.Client)))
	}
	_, complete := shown.Took(measurement.Hello)
	if complete || seen.CertificateRequested {
		s.add(tlsCertificateRequested, number(seen.CertificateRequested), of)
	}
	if complete && shown.Client == measurement.Device && seen.FlightBytes > 0 {
		s.add(tlsServerFlight, float64(seen.FlightBytes), of)
	}
}

// certificate adds the series about the server's certificate.
func (s *series) certificate(of *subject, j *trust.Judgement, seen *measurement.TLS) {
	if !j.Seen {
		return
	}
	// A server flight that was cut off before its signature neither proves nor disproves the key. Without a trust anchor
	// nothing is proved or disproved.
	if !j.Unjudged && (j.Verdict != trust.KeyNotProved || seen.SignatureChecked) {
		s.add(tlsAuthentic, number(j.Authentic), of)
	}
	s.add(tlsIssuerInfo, 1, of, measurement.Text(j.Issuer), measurement.Text(j.Subject), measurement.Text(j.PublicKeySHA256))
	s.at(tlsNotBefore, j.NotBefore, of)
	s.at(tlsNotAfter, j.NotAfter, of)
}

// cipherNames are the names of the IANA registry.
var cipherNames = func() map[uint16]string {
	names := map[uint16]string{devicetls.SuiteCCM8: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"} // crypto/tls does not know it
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		names[suite.ID] = suite.Name
	}
	return names
}()

// cipherName is the suite's name in the IANA registry, or its number in hexadecimal.
func cipherName(c uint16) string {
	if name, known := cipherNames[c]; known {
		return name
	}
	return fmt.Sprintf("0x%04X", c)
}
