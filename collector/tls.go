package collector

import (
	"crypto/tls"
	"fmt"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// tls makes the series of what the server showed: to the walk itself or, where a device's hello saw no certificate, to
// the web hello that was sent after it.
func (s *series) tls(of []string, w *report.Walk) {
	seen, by := w.Outcome.SawTLS()
	if seen == nil {
		return
	}
	s.certificate(of, &w.Judgement, seen)
	if seen.Version != 0 {
		s.add(tlsInfo, 1, of, devicetls.VersionName(seen.Version), cipherName(seen.Cipher), measurement.Text(string(by)))
	}
	_, whole := saw(&w.Outcome, seen).Took(measurement.Hello)
	if whole || seen.CertificateRequested {
		s.add(tlsCertificateRequested, number(seen.CertificateRequested), of)
	}
	if whole && by == measurement.Device && seen.FlightBytes > 0 {
		s.add(tlsServerFlight, float64(seen.FlightBytes), of)
	}
}

// saw is the outcome that a view belongs to.
func saw(o *measurement.Outcome, seen *measurement.TLS) *measurement.Outcome {
	if o.TLS != seen && o.Web != nil {
		return o.Web
	}
	return o
}

// certificate makes the series of the server's certificate.
func (s *series) certificate(of []string, j *trust.Judgement, seen *measurement.TLS) {
	if !j.Seen {
		return
	}
	// A flight that was cut off before its signature neither proves the key nor disproves it.
	if j.Verdict != trust.KeyNotProved || seen.SignatureChecked {
		s.add(tlsAuthentic, number(j.Authentic), of)
	}
	s.add(tlsIssuerInfo, 1, of, measurement.Text(j.Issuer), measurement.Text(j.Subject), measurement.Text(j.PublicKeySHA256))
	s.at(tlsNotBefore, j.NotBefore, of)
	s.at(tlsNotAfter, j.NotAfter, of)
}

// cipherName is the suite's name in IANA's registry, or its number.
func cipherName(c uint16) string {
	if c == devicetls.SuiteCCM8 {
		return "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8" // crypto/tls does not know it
	}
	for _, suites := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, suite := range suites {
			if suite.ID == c {
				return suite.Name
			}
		}
	}
	return fmt.Sprintf("0x%04X", c)
}
