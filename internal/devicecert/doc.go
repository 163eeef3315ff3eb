// Package devicecert judges certificates as a device does. Devices use Mbed TLS 2.28 with few options: ECDSA on
// secp256r1 with SHA-256 or SHA-224, no RSA, no other curve and no other hash. That library accepts some
// certificates that crypto/x509 rejects, and aborts the handshake at some that crypto/x509 accepts.
//
// [ParseList] reads the certificates of a Certificate message, [Verify] builds the chain from the leaf to a root that
// the device stores, and [Result] says what the device finds. [Parse] reads one certificate; it returns whatever can
// be read also from a certificate that a device rejects, so that its issuer is known.
//
// Use [Certificate.Problem] and [Result.Problem] for what ends the handshake, and [Result.Flags] for what a device
// finds in a chain after the handshake. All of it is data from closed lists: [Problems] and the flags.
//
// The package opens no socket and reads no clock. Everything that it returns is bounded by its input, and it never
// panics on hostile input.
package devicecert

// Problem names what is wrong with a certificate or a list of certificates. It is a closed list, see [Problems].
type Problem string

const (
	// NoProblem is the zero value.
	NoProblem Problem = ""

	// UnknownSignature is the one problem that does not end the handshake: a device skips a certificate whose
	// signature algorithm it does not know, and goes on with the rest of the list.
	UnknownSignature Problem = "unknown_signature"

	// NoCertificate: the list is empty, or a device skips all of it.
	NoCertificate Problem = "no_certificate"
	// TooShort: shorter than [MinSize].
	TooShort Problem = "too_short"
	// Malformed: not the structure of an X.509 certificate.
	Malformed Problem = "malformed"
	// UnknownVersion: not version 1, 2 or 3.
	UnknownVersion Problem = "unknown_version"
	// SignatureForm: the signature or its algorithm is malformed, or the algorithm differs inside and outside.
	SignatureForm Problem = "signature_form"
	// MalformedName: an issuer or a subject that a device cannot read.
	MalformedName Problem = "malformed_name"
	// MalformedDate: a date that a device cannot read.
	MalformedDate Problem = "malformed_date"
	// UnreadableKey: a public key of an algorithm or on a curve that a device does not know.
	UnreadableKey Problem = "unreadable_key"
	// MalformedKey: a public key that is not an uncompressed point of secp256r1.
	MalformedKey Problem = "malformed_key"
	// CriticalExtension: a critical extension that a device does not know.
	CriticalExtension Problem = "critical_extension"
	// CriticalPolicy: critical certificatePolicies with another policy than anyPolicy.
	CriticalPolicy Problem = "critical_policy"
	// RepeatedExtension: an extension that a device knows stands twice.
	RepeatedExtension Problem = "repeated_extension"
	// MalformedExtension: an extension that a device knows, but cannot read.
	MalformedExtension Problem = "malformed_extension"
	// KeyAgreementOnly: the leaf's key is marked as one for ECDH, and cannot sign the handshake.
	KeyAgreementOnly Problem = "key_agreement_only"
	// ChainTooLong: more than [MaxIntermediates] intermediates.
	ChainTooLong Problem = "chain_too_long"

	// These are problems of a root only, see [NewRoot].
	// RootTooLong: longer than [MaxRoot].
	RootTooLong Problem = "root_too_long"
	// NotCA: basicConstraints does not mark it as a CA.
	NotCA Problem = "not_ca"
	// NoSigning: keyUsage lacks keyCertSign, or limits the key to one direction of key agreement.
	NoSigning Problem = "no_cert_sign"
)

// Problems lists every problem.
var Problems = []Problem{
	UnknownSignature, NoCertificate, TooShort, Malformed, UnknownVersion, SignatureForm, MalformedName, MalformedDate,
	UnreadableKey, MalformedKey, CriticalExtension, CriticalPolicy, RepeatedExtension, MalformedExtension, KeyAgreementOnly,
	ChainTooLong, RootTooLong, NotCA, NoSigning,
}

// Finding is a problem and, where one name says more, the algorithm or the object identifier that it is about. Text is
// printable ASCII and at most some dozens of bytes, so it is safe to show.
type Finding struct {
	Problem Problem
	Text    string
}

// Limits of what a device takes.
const (
	// MinSize is the least size in bytes of a certificate in a Certificate message.
	MinSize = 128
	// MaxRoot is the greatest size in bytes of a root that a device can store.
	MaxRoot = 1024
	// MaxIntermediates is how many intermediate certificates a chain may have between leaf and root.
	MaxIntermediates = 8
)

// Flags are what a device finds in a chain once the handshake is complete. A device ends the session unless they are 0.
type Flags uint8

const (
	Expired          Flags = 1 << iota // a certificate of the path is past its notAfter
	Future                             // a certificate of the path is before its notBefore
	NotTrusted                         // no path leads to a stored root, or a signature on it is wrong
	KeyUsage                           // the leaf's keyUsage does not allow digitalSignature
	ExtendedKeyUsage                   // the leaf's extendedKeyUsage lacks serverAuth
)
