package measurement

// Details of the judgement on a certificate list: who signed, and until when.
const (
	DetailTrustOtherIssuer      DetailKind = "trust_other_issuer"       // signed by another authority than the expected one
	DetailTrustOtherKey         DetailKind = "trust_other_key"          // signed with another key than the expected one
	DetailTrustForged           DetailKind = "trust_forged"             // names the expected authority as issuer, which did not sign it
	DetailTrustMachineRoot      DetailKind = "trust_machine_root"       // signed by a root that only this machine trusts
	DetailTrustUnrooted         DetailKind = "trust_unrooted"           // a certificate of the public web without a path to a known root
	DetailTrustKeyNotProved     DetailKind = "trust_key_not_proved"     // the server did not sign the handshake with the certificate's key
	DetailTrustExpired          DetailKind = "trust_expired"            // expired at the time in Text
	DetailTrustNotYetValid      DetailKind = "trust_not_yet_valid"      // valid from the time in Text
	DetailTrustChainDates       DetailKind = "trust_chain_dates"        // an issuing CA or the root is outside its validity
	DetailTrustOtherName        DetailKind = "trust_other_name"         // the certificate is not for the host in Text
	DetailTrustKeyUsage         DetailKind = "trust_key_usage"          // keyUsage does not allow digitalSignature
	DetailTrustExtendedKeyUsage DetailKind = "trust_extended_key_usage" // extendedKeyUsage lacks serverAuth
	DetailTrustWebCritical      DetailKind = "trust_web_critical"       // a critical extension Text that browsers do not know
	DetailTrustIssuerForm       DetailKind = "trust_issuer_form"        // a device does not recognise the issuer's name Text: another spelling or encoding
	DetailTrustNoPath           DetailKind = "trust_no_path"            // the authority signed, but a device finds no path to it in the list
)

// Details of a certificate at which a device aborts the handshake. N is its place in the server's list, the leaf is 1.
const (
	DetailCertificateSkipped      DetailKind = "certificate_skipped"       // signed with the algorithm Text; a device skips it
	DetailCertificateShort        DetailKind = "certificate_short"         // shorter than 128 bytes
	DetailCertificateMalformed    DetailKind = "certificate_malformed"     // not a certificate
	DetailCertificateVersion      DetailKind = "certificate_version"       // not of version 1, 2 or 3
	DetailCertificateSignature    DetailKind = "certificate_signature"     // its signature or signature algorithm is malformed
	DetailCertificateName         DetailKind = "certificate_name"          // its issuer or subject is malformed
	DetailCertificateDate         DetailKind = "certificate_date"          // its validity is malformed
	DetailCertificateKey          DetailKind = "certificate_key"           // its key is of the algorithm or on the curve Text
	DetailCertificateKeyForm      DetailKind = "certificate_key_form"      // its key is malformed
	DetailCertificateCritical     DetailKind = "certificate_critical"      // a critical extension Text that a device does not know
	DetailCertificatePolicy       DetailKind = "certificate_policy"        // critical certificatePolicies with the policy Text
	DetailCertificateRepeated     DetailKind = "certificate_repeated"      // the extension Text stands twice
	DetailCertificateExtension    DetailKind = "certificate_extension"     // the extension Text is malformed
	DetailCertificateKeyAgreement DetailKind = "certificate_key_agreement" // its key is for ECDH only
	DetailCertificateChain        DetailKind = "certificate_chain"         // the chain has too many issuing CAs; N is not set
)

// TrustDetails lists every kind that package trust gives.
var TrustDetails = []DetailKind{
	DetailTrustOtherIssuer, DetailTrustOtherKey, DetailTrustForged, DetailTrustMachineRoot, DetailTrustUnrooted,
	DetailTrustKeyNotProved, DetailTrustExpired, DetailTrustNotYetValid, DetailTrustChainDates, DetailTrustOtherName,
	DetailTrustKeyUsage, DetailTrustExtendedKeyUsage, DetailTrustWebCritical, DetailTrustIssuerForm, DetailTrustNoPath,

	DetailCertificateSkipped, DetailCertificateShort, DetailCertificateMalformed, DetailCertificateVersion,
	DetailCertificateSignature, DetailCertificateName, DetailCertificateDate, DetailCertificateKey, DetailCertificateKeyForm,
	DetailCertificateCritical, DetailCertificatePolicy, DetailCertificateRepeated, DetailCertificateExtension,
	DetailCertificateKeyAgreement, DetailCertificateChain,
}
