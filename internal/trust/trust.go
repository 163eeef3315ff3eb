// Package trust says who signed a certificate and whether that is who should have: by issuer name, by the authority's
// public key, by a CA certificate, or by the system's roots. It is pure: keys and pools come in ready to use.
package trust

import (
	"crypto/x509"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Verdict is what is wrong with a certificate, worst first; "" if nothing.
type Verdict string

const (
	Good         Verdict = ""
	WrongIssuer  Verdict = "wrong_issuer"  // another name signed
	ForgedIssuer Verdict = "forged_issuer" // the right name, the wrong key
	// Unrooted: a certificate of the public web, by what it carries, from which no path leads to a root that is known
	// here: the server leaves out an intermediate, or the roots here are old. Nobody else is shown to have signed.
	Unrooted     Verdict = "unrooted"
	KeyNotProved Verdict = "key_not_proved" // the holder did not sign with the leaf's key
	Expired      Verdict = "expired"
	NotYetValid  Verdict = "not_yet_valid"
	WrongName    Verdict = "wrong_name" // web clients only
)

// Judgement is what a chain shows, and whether it is the expected one. The zero value means: no certificate was seen.
type Judgement struct {
	Seen bool // a leaf was there to judge; everything below is meaningful only then
	// Authentic: signed by the expected authority, and the holder proved the key. Validity and name play no part.
	Authentic bool
	Verdict   Verdict
	// Issuer and Subject are the leaf's names as RFC 4514 strings, safe to show.
	Issuer, Subject string
	// PublicKeySHA256 is the SHA-256 of the leaf's SubjectPublicKeyInfo, in hexadecimal.
	PublicKeySHA256     string
	NotBefore, NotAfter time.Time
	// Expected says in words who should have signed.
	Expected string
	// Detail says more of a bad verdict, for a person; safe to show.
	Detail measurement.Detail
}

// Subject is what is to be judged.
type Subject struct {
	Chain     []*x509.Certificate // leaf first; may be empty
	KeyProved bool
	Host      string // the name to compare for web clients; "" compares none (a device compares none)
	Now       time.Time
}
