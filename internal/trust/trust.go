// Package trust judges who signed a server's certificate, and whether a client of the given kind accepts it. The
// expected signer is an [Anchor]: an authority's public key, CA certificates, or a pool of roots.
//
// Certificates are judged from the bytes that the server sent. For devices, package devicecert decides; for browsers,
// package x509. The package opens no socket and reads no clock.
package trust

import (
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Verdict is what is wrong with a certificate, worst first; "" if nothing.
type Verdict string

const (
	Good        Verdict = ""
	WrongIssuer Verdict = "wrong_issuer" // another authority signed: interception
	// ForgedIssuer: a certificate names an expected authority as its issuer, which did not sign it: interception.
	ForgedIssuer Verdict = "forged_issuer"
	// Unrooted: a certificate of the public web, by the log receipts in it, but no path leads to a root that is known
	// here. The server omits an intermediate certificate, or the roots here are old.
	Unrooted     Verdict = "unrooted"
	KeyNotProved Verdict = "key_not_proved" // the server did not sign with the leaf's key
	// Unfit: the client rejects the certificate, or another one in the list, though the expected authority signed it;
	// or who signed is not known, because the bytes are not a certificate or not every signature can be checked.
	Unfit       Verdict = "unfit"
	Expired     Verdict = "expired"
	NotYetValid Verdict = "not_yet_valid"
	WrongName   Verdict = "wrong_name" // web clients only
)

// Verdicts lists every verdict but Good.
var Verdicts = []Verdict{WrongIssuer, ForgedIssuer, Unrooted, KeyNotProved, Unfit, Expired, NotYetValid, WrongName}

// Judgement is what a certificate list shows, and the verdict on it. The zero value means that no certificate was seen.
type Judgement struct {
	Seen bool // the list had a leaf; the other fields are meaningful only if it is set
	// Authentic: the expected authority signed the leaf, itself or through the certificates that were sent, and the
	// server proved that it has the leaf's key. Validity, names and fitness play no part.
	Authentic bool
	Verdict   Verdict
	// Issuer and Subject are the leaf's names in the notation of RFC 4514, safe to show. With an issuing CA between
	// leaf and anchor, Issuer is the issuing CA.
	Issuer, Subject string
	// PublicKeySHA256 is the SHA-256 of the leaf's SubjectPublicKeyInfo, in hexadecimal.
	PublicKeySHA256     string
	NotBefore, NotAfter time.Time
	// SelfSigned: the leaf is signed with its own key, as on an appliance with its factory default certificate. A
	// firewall that inspects TLS signs with the key of a CA.
	SelfSigned bool
	// NamesHost: the leaf is for the host's name, by subjectAltName or common name.
	NamesHost bool
	// MachineRoot: a root of this machine signed, and no public root did. An administrator has installed that root
	// here.
	MachineRoot bool
	// Unjudged: no authority is expected, so that a certificate of an interceptor looks the same as one of the server.
	// The verdict is Good or KeyNotProved, and Authentic is false.
	Unjudged bool
	// Chain lists the subjects of the certificates that were sent after the leaf, safe to show; only of an unjudged one.
	Chain []string
	// Expected names the expected authority.
	Expected string
	// Detail is more about a bad verdict.
	Detail measurement.Detail
}

// ProvesInterception reports whether the judgement proves that something between here and the server terminates TLS.
// withdrawn tells that the certificate was seen at an address that the host's zone no longer lists. Such an address
// may belong to another owner by now, whose certificate is then another one: only a certificate for the host's own
// name, which is not self-signed, proves interception there.
func (j *Judgement) ProvesInterception(withdrawn bool) bool {
	switch j.Verdict {
	case WrongIssuer, ForgedIssuer, KeyNotProved:
		return !withdrawn || j.NamesHost && !j.SelfSigned
	case Good, Unrooted, Unfit, Expired, NotYetValid, WrongName:
	}
	return false
}

// Subject is what is to be judged.
type Subject struct {
	// Chain is the certificates as sent in DER, the leaf first. It may be empty; at most [measurement.MaxChain] are
	// read.
	Chain [][]byte
	// Client is the kind of client that the verdict is about: what a device accepts, or what a browser does.
	Client measurement.Client
	// KeyProved and SignatureChecked are those of [measurement.TLS].
	KeyProved, SignatureChecked bool
	// Host is the name that was looked up. Web clients require the leaf to be for it, devices do not.
	Host string
	Now  time.Time
}
