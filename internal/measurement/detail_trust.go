package measurement

// Details of the judgement on a certificate list: who signed, and until when.
const (
	// DetailTrustOtherIssuer: signed by another authority than the expected one.
	DetailTrustOtherIssuer DetailKind = "trust_other_issuer"
	// DetailTrustOtherKey: signed with another key than the expected one.
	DetailTrustOtherKey DetailKind = "trust_other_key"
	// DetailTrustForged: names the expected authority as issuer, which did not sign it.
	DetailTrustForged DetailKind = "trust_forged"
	// DetailTrustMachineRoot: signed by a root that only this machine trusts.
	DetailTrustMachineRoot DetailKind = "trust_machine_root"
	// DetailTrustUnrooted: a certificate of the public web without a path to a known root.
	DetailTrustUnrooted DetailKind = "trust_unrooted"
	// DetailTrustKeyNotProved: the server did not sign the handshake with the certificate's key.
	DetailTrustKeyNotProved DetailKind = "trust_key_not_proved"
	// DetailTrustExpired: expired at the time in Text.
	DetailTrustExpired DetailKind = "trust_expired"
	// DetailTrustNotYetValid: valid from the time in Text.
	DetailTrustNotYetValid DetailKind = "trust_not_yet_valid"
	// DetailTrustChainDates: an issuing CA or the root is outside its validity.
	DetailTrustChainDates DetailKind = "trust_chain_dates"
	// DetailTrustOtherName: the certificate is not for the host in Text.
	DetailTrustOtherName DetailKind = "trust_other_name"
	// DetailTrustKeyUsage: keyUsage does not allow digitalSignature.
	DetailTrustKeyUsage DetailKind = "trust_key_usage"
	// DetailTrustExtendedKeyUsage: extendedKeyUsage lacks serverAuth.
	DetailTrustExtendedKeyUsage DetailKind = "trust_extended_key_usage"
	// DetailTrustWebCritical: a critical extension Text that browsers do not know.
	DetailTrustWebCritical DetailKind = "trust_web_critical"
	// DetailTrustIssuerForm: a device does not recognise the issuer's name Text: another spelling or encoding.
	DetailTrustIssuerForm DetailKind = "trust_issuer_form"
	// DetailTrustNoPath: the authority signed, but a device finds no path to it in the list.
	DetailTrustNoPath DetailKind = "trust_no_path"
)

// Details of a certificate at which a device aborts the handshake. N is its place in the server's list, the leaf is 1.
const (
	// DetailCertificateSkipped: signed with the algorithm Text; a device skips it.
	DetailCertificateSkipped DetailKind = "certificate_skipped"
	// DetailCertificateShort: shorter than 128 bytes.
	DetailCertificateShort DetailKind = "certificate_short"
	// DetailCertificateMalformed: not a certificate.
	DetailCertificateMalformed DetailKind = "certificate_malformed"
	// DetailCertificateVersion: not of version 1, 2 or 3.
	DetailCertificateVersion DetailKind = "certificate_version"
	// DetailCertificateSignature: its signature or signature algorithm is malformed.
	DetailCertificateSignature DetailKind = "certificate_signature"
	// DetailCertificateName: its issuer or subject is malformed.
	DetailCertificateName DetailKind = "certificate_name"
	// DetailCertificateDate: its validity is malformed.
	DetailCertificateDate DetailKind = "certificate_date"
	// DetailCertificateKey: its key is of the algorithm or on the curve Text.
	DetailCertificateKey DetailKind = "certificate_key"
	// DetailCertificateKeyForm: its key is malformed.
	DetailCertificateKeyForm DetailKind = "certificate_key_form"
	// DetailCertificateCritical: a critical extension Text that a device does not know.
	DetailCertificateCritical DetailKind = "certificate_critical"
	// DetailCertificatePolicy: critical certificatePolicies with the policy Text.
	DetailCertificatePolicy DetailKind = "certificate_policy"
	// DetailCertificateRepeated: the extension Text stands twice.
	DetailCertificateRepeated DetailKind = "certificate_repeated"
	// DetailCertificateExtension: the extension Text is malformed.
	DetailCertificateExtension DetailKind = "certificate_extension"
	// DetailCertificateKeyAgreement: its key is for ECDH only.
	DetailCertificateKeyAgreement DetailKind = "certificate_key_agreement"
	// DetailCertificateChain: the chain has too many issuing CAs; N is not set.
	DetailCertificateChain DetailKind = "certificate_chain"
)
