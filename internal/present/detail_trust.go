package present

import (
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// trustDetailText words a detail of the judgement on a server's certificates, as a clause that follows a verdict; ""
// for a detail of another kind.
func trustDetailText(d measurement.Detail) string { return fillDetail(trustDetailTexts[d.Kind], d) }

// trustDetailTexts has a clause for each kind of certificate detail. [fillDetail] replaces the names in braces.
var trustDetailTexts = map[measurement.DetailKind]string{
	measurement.DetailTrustOtherIssuer:      "the certificate is signed by another authority",
	measurement.DetailTrustOtherKey:         "the certificate is signed with another key than the configured one",
	measurement.DetailTrustForged:           "the certificate names the expected authority as its issuer, but that authority did not sign it",
	measurement.DetailTrustMachineRoot:      "the certificate is signed by a CA that only this machine trusts; it is not one of the public web",
	measurement.DetailTrustUnrooted:         "the server sends no path from its certificate to a known root: an intermediate certificate is missing, or the list of roots is old",
	measurement.DetailTrustKeyNotProved:     "the server did not prove that it has the certificate's key",
	measurement.DetailTrustExpired:          "the certificate expired at {date}",
	measurement.DetailTrustNotYetValid:      "the certificate is valid from {date}",
	measurement.DetailTrustChainDates:       "the certificate of the authority or of an issuing CA is outside its validity",
	measurement.DetailTrustOtherName:        "the certificate is not for {text}",
	measurement.DetailTrustKeyUsage:         "the certificate's keyUsage does not allow digitalSignature",
	measurement.DetailTrustExtendedKeyUsage: "the certificate's extendedKeyUsage lacks serverAuth",
	measurement.DetailTrustWebCritical:      "a certificate has the critical extension {text}, which browsers do not know",
	measurement.DetailTrustIssuerForm:       "the expected key signed, but devices do not recognise the issuer name {text}: its spelling, order or encoding differs",
	measurement.DetailTrustNoPath:           "the expected authority signed, but devices find no path to it: the order of the certificates, a signature algorithm, a CA flag, keyUsage or a path length prevents it",

	measurement.DetailCertificateSkipped:      "{certificate} is signed with {text}, which devices do not know",
	measurement.DetailCertificateShort:        "{certificate} is shorter than 128 bytes",
	measurement.DetailCertificateMalformed:    "{certificate} is not an X.509 certificate",
	measurement.DetailCertificateVersion:      "{certificate} has an unknown version",
	measurement.DetailCertificateSignature:    "{certificate} has a malformed signature or signature algorithm",
	measurement.DetailCertificateName:         "{certificate} has an issuer or a subject that devices cannot read",
	measurement.DetailCertificateDate:         "{certificate} has a date that devices cannot read",
	measurement.DetailCertificateKey:          "{certificate} has a key of type {text}; devices accept only ECDSA on P-256",
	measurement.DetailCertificateKeyForm:      "{certificate} has a malformed public key",
	measurement.DetailCertificateCritical:     "{certificate} has the critical extension {text}, which devices do not know",
	measurement.DetailCertificatePolicy:       "{certificate} has critical certificate policies with {text}; devices accept only anyPolicy",
	measurement.DetailCertificateRepeated:     "{certificate} has the extension {text} twice",
	measurement.DetailCertificateExtension:    "{certificate} has a malformed extension {text}",
	measurement.DetailCertificateKeyAgreement: "{certificate} has a key for ECDH, which cannot sign",
	measurement.DetailCertificateChain:        "the server's chain has too many issuing CAs; devices accept 8",
}

// dateText is a date of a certificate, which is RFC 3339 in the data, in the form of all other times.
func dateText(rfc3339 string) string {
	t, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		return rfc3339
	}
	return momentText(t)
}
