package present

import (
	"cmp"
	"fmt"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// FindingText says in one clause what a finding rests on; "" if the path carries a device.
func FindingText(f *report.Finding) string {
	out := findingClause(f)
	if f.Advice == reason.CheckAddress && f.Reason != reason.DeviceUnfit && f.Other != (report.Certificate{}) {
		out += fmt.Sprintf("; a browser's hello gets another server's certificate, for %s, signed by %s",
			subject(f.Other.Subject), signer(f.Other.Issuer))
	}
	if f.DeviceResult != reason.OK {
		out += fmt.Sprintf("; the device's own hello failed (%s)", text(f.DeviceResult))
	}
	return text(out)
}

// findingClause has one clause for each reason. Where the detail of the failure says the same and more, it is the
// clause.
func findingClause(f *report.Finding) string {
	detail := detailText(f.Detail)
	orDetail := func(clause string) string { return cmp.Or(detail, clause) }
	orCertificateDetail := func(clause string) string { return cmp.Or(trustDetailText(f.Certificate.Detail), clause) }
	switch f.Reason {
	case reason.OK:
		return ""
	case reason.WrongIssuer:
		is, expected := signerAndExpected(f.Certificate.Issuer, f.Certificate.Expected)
		out := fmt.Sprintf("signed by %s, not by %s", is, expected)
		if f.Certificate.Detail.Kind == measurement.DetailTrustMachineRoot {
			out += "; this machine trusts that signer, devices do not"
		}
		return out
	case reason.ForgedIssuer:
		return fmt.Sprintf("the certificate names %s as its issuer, but that authority's key did not sign it", signer(f.Certificate.Issuer))
	case reason.KeyNotProved:
		return fmt.Sprintf("the server sends the certificate of %s, but does not hold its key", subject(f.Certificate.Subject))
	case reason.BlockPage:
		return withDetail("an HTTP page answers instead of TLS", detail)
	case reason.Sinkhole:
		return fmt.Sprintf("the name resolves to %s, which cannot be the cloud", address(f.Address))
	case reason.Refused:
		return orDetail("connection refused")
	case reason.Reset:
		return orDetail("RST after " + sent(f))
	case reason.Closed:
		return orDetail("FIN after " + sent(f))
	case reason.Silent:
		if f.Advice == reason.LetLargeDatagramsPass {
			return orDetail("only a part of the answer to " + sent(f) + " arrived")
		}
		return orDetail("no answer to " + sent(f))
	case reason.Unreachable:
		if f.Advice == reason.FindRoute {
			return "no route to any of its addresses"
		}
		return orDetail("no connection")
	case reason.Alert:
		return orDetail("the server answers " + sent(f) + " with a TLS alert")
	case reason.NotTLS:
		return withDetail("the answer to "+sent(f)+" is not valid "+protocol(f), detail)
	case reason.DeviceUnfit:
		if f.Advice == reason.CompleteChain {
			return fmt.Sprintf("signed by %s, and no chain leads from there to a known authority", signer(f.Certificate.Issuer))
		}
		if f.Advice == reason.CheckAddress {
			return fmt.Sprintf("another server answers, with a certificate for %s, signed by %s, at an address that the zone has withdrawn",
				subject(f.Other.Subject), signer(f.Other.Issuer))
		}
		if f.Certificate != (report.Certificate{}) {
			return withDetail("a device cannot use the server's certificates", trustDetailText(f.Certificate.Detail))
		}
		return withDetail("a device cannot use the server's answer", detail)
	case reason.CertificateRefused:
		return withDetail("the server refuses the configured client certificate", detail)
	case reason.Expired:
		return orCertificateDetail("the certificate has expired")
	case reason.NotYetValid:
		return orCertificateDetail("the certificate is not valid yet")
	case reason.WrongName:
		return orCertificateDetail("the certificate is for another name")
	case reason.DNSFailed:
		return "the name does not resolve"
	case reason.OutOfTime:
		if f.Advice == reason.AllowMoreTimeForNames {
			return "the round ended before the name was resolved"
		}
		if f.Advice == reason.CheckThisMachine {
			return withDetail("this machine could not probe the path", detail)
		}
		return orDetail("the round ended first")
	}
	return string(f.Reason)
}

// subject names the subject of a certificate.
func subject(name string) string {
	if name == "" {
		return "an unnamed subject"
	}
	return authority(name)
}

// sent names what the failure followed.
func sent(f *report.Finding) string {
	switch {
	case f.Phase == measurement.Finish:
		return "the client's last handshake messages"
	case f.Client == measurement.Web:
		return "the browser's hello"
	}
	return "the device's hello"
}

func protocol(f *report.Finding) string {
	if f.Transport == measurement.UDP {
		return "DTLS"
	}
	return "TLS"
}
