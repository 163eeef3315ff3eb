package present

import (
	"fmt"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// trustDetailText words a detail of the judgement on a server's certificates, as a clause that follows a verdict; ""
// for a detail of another kind.
func trustDetailText(d measurement.Detail) string {
	what, certificate := text(d.Text), "the server's certificate"
	if d.N > 1 {
		certificate = fmt.Sprintf("certificate %d of the server's list", d.N)
	}
	// Not exhaustive: the other kinds are worded in files of their own; a test runs over all kinds.
	//exhaustive:ignore
	switch d.Kind {
	case measurement.DetailTrustOtherIssuer:
		return "the certificate is signed by another authority"
	case measurement.DetailTrustOtherKey:
		return "the certificate is signed with another key than the configured one"
	case measurement.DetailTrustForged:
		return "the certificate names the expected authority as its issuer, but that authority did not sign it"
	case measurement.DetailTrustMachineRoot:
		return "the certificate is signed by a CA that only this machine trusts; it is not one of the public web"
	case measurement.DetailTrustUnrooted:
		return "the server sends no path from its certificate to a known root: an intermediate certificate is missing, or the list of roots is old"
	case measurement.DetailTrustKeyNotProved:
		return "the server did not prove that it has the certificate's key"
	case measurement.DetailTrustExpired:
		return "the certificate expired at " + dateText(what)
	case measurement.DetailTrustNotYetValid:
		return "the certificate is valid from " + dateText(what)
	case measurement.DetailTrustChainDates:
		return "the certificate of the authority or of an issuing CA is outside its validity"
	case measurement.DetailTrustOtherName:
		return "the certificate is not for " + what
	case measurement.DetailTrustKeyUsage:
		return "the certificate's keyUsage does not allow digitalSignature"
	case measurement.DetailTrustExtendedKeyUsage:
		return "the certificate's extendedKeyUsage lacks serverAuth"
	case measurement.DetailTrustWebCritical:
		return "a certificate has the critical extension " + what + ", which browsers do not know"
	case measurement.DetailTrustIssuerForm:
		return "the expected key signed, but devices do not recognise the issuer name " + what + ": its spelling, order or encoding differs"
	case measurement.DetailTrustNoPath:
		return "the expected authority signed, but devices find no path to it: the order of the certificates, a signature algorithm, a CA flag, keyUsage or a path length prevents it"

	case measurement.DetailCertificateSkipped:
		return certificate + " is signed with " + what + ", which devices do not know"
	case measurement.DetailCertificateShort:
		return certificate + " is shorter than 128 bytes"
	case measurement.DetailCertificateMalformed:
		return certificate + " is not an X.509 certificate"
	case measurement.DetailCertificateVersion:
		return certificate + " has an unknown version"
	case measurement.DetailCertificateSignature:
		return certificate + " has a malformed signature or signature algorithm"
	case measurement.DetailCertificateName:
		return certificate + " has an issuer or a subject that devices cannot read"
	case measurement.DetailCertificateDate:
		return certificate + " has a date that devices cannot read"
	case measurement.DetailCertificateKey:
		return certificate + " has a key of type " + what + "; devices accept only ECDSA on P-256"
	case measurement.DetailCertificateKeyForm:
		return certificate + " has a malformed public key"
	case measurement.DetailCertificateCritical:
		return certificate + " has the critical extension " + what + ", which devices do not know"
	case measurement.DetailCertificatePolicy:
		return certificate + " has critical certificate policies with " + what + "; devices accept only anyPolicy"
	case measurement.DetailCertificateRepeated:
		return certificate + " has the extension " + what + " twice"
	case measurement.DetailCertificateExtension:
		return certificate + " has a malformed extension " + what
	case measurement.DetailCertificateKeyAgreement:
		return certificate + " has a key for ECDH, which cannot sign"
	case measurement.DetailCertificateChain:
		return "the server's chain has too many issuing CAs; devices accept 8"
	}
	return ""
}

// dateText is a date of a certificate, which is RFC 3339 in the data, in the form of all other times.
func dateText(rfc3339 string) string {
	t, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		return rfc3339
	}
	return momentText(t)
}
