package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Judge holds a chain against the anchor. The verdict is the worst of what is wrong, in this order:
//
//	signed by the expected authority? ── no ──► wrong_issuer, forged_issuer, or unrooted
//	      │ yes
//	does the holder have the key? ───── no ──► key_not_proved (a replayed certificate)
//	      │ yes: Authentic
//	valid now? name right? ──────────── no ──► expired, not_yet_valid, wrong_name
//
// Authenticity is judged apart from validity: an expired certificate of the right authority is no interception.
func (a *Anchor) Judge(s Subject) Judgement {
	if len(s.Chain) == 0 || s.Chain[0] == nil {
		return Judgement{}
	}
	leaf := s.Chain[0]
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	j := Judgement{
		Seen:            true,
		Issuer:          issuerOf(leaf).String(),
		Subject:         subjectOf(leaf).String(),
		PublicKeySHA256: hex.EncodeToString(sum[:]),
		NotBefore:       leaf.NotBefore,
		NotAfter:        leaf.NotAfter,
		Expected:        a.expected,
	}
	signed := a.signed(s)
	j.Verdict, j.Detail = signed.verdict, measurement.Detail{Text: measurement.Text(signed.detail)}
	switch {
	case j.Verdict != Good && j.Verdict != Unrooted:
	case !s.KeyProved:
		j.Verdict, j.Detail = KeyNotProved, measurement.Detail{Text: "the server did not sign this handshake with the certificate's key"}
	case j.Verdict == Good:
		j.Authentic = true
		a.judgeValidity(&j, s, signed)
	}
	return j
}

// judgeValidity judges an authentic certificate's dates and name.
func (a *Anchor) judgeValidity(j *Judgement, s Subject, signed signature) {
	leaf := s.Chain[0]
	switch {
	case s.Now.After(leaf.NotAfter):
		j.Verdict, j.Detail = Expired, measurement.Detail{Text: "expired at " + stamp(leaf.NotAfter)}
	case s.Now.Before(leaf.NotBefore):
		j.Verdict, j.Detail = NotYetValid, measurement.Detail{Text: "valid from " + stamp(leaf.NotBefore)}
	case signed.chainExpired:
		j.Verdict, j.Detail = Expired, measurement.Detail{Text: "an authority's certificate above the server's is outside its validity"}
	case s.Host != "":
		if err := leaf.VerifyHostname(s.Host); err != nil {
			j.Verdict, j.Detail = WrongName, measurement.Detail{Text: measurement.Text(err.Error())}
		}
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// signature is the answer to the question who signed.
type signature struct {
	verdict      Verdict // Good, WrongIssuer, ForgedIssuer or Unrooted
	detail       string
	chainExpired bool // a certificate above the leaf is not valid now
}

func (a *Anchor) signed(s Subject) signature {
	leaf := s.Chain[0]
	if a.issuer != nil && !issuerOf(leaf).Equal(a.issuer) {
		return signature{verdict: WrongIssuer, detail: "another issuer is named"}
	}
	if a.key == nil {
		return a.signedByChain(s)
	}
	err := a.verified.signed(a.key, leaf)
	switch {
	case err == nil:
		return signature{}
	case a.issuer != nil:
		return signature{verdict: ForgedIssuer, detail: "the issuer's name is right, its signature is not: " + err.Error()}
	default:
		return signature{verdict: WrongIssuer, detail: "signed by another key: " + err.Error()}
	}
}

// signedByChain builds a chain to the roots from what the server sent.
func (a *Anchor) signedByChain(s Subject) signature {
	sent := s.Chain[:min(len(s.Chain), maxSent)]
	leaf, pool := sent[0], x509.NewCertPool()
	for _, cert := range sent[1:] {
		if cert != nil && bounded(cert) {
			pool.AddCert(known(cert))
		}
	}
	var err error
	for i, at := range moments(sent, s.Now) {
		_, failed := known(leaf).Verify(x509.VerifyOptions{
			Roots: a.roots, Intermediates: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if failed == nil {
			return signature{chainExpired: i > 0}
		}
		if err == nil {
			err = failed
		}
		var invalid x509.CertificateInvalidError
		if !errors.As(failed, &invalid) || invalid.Reason != x509.Expired {
			break // another moment changes nothing
		}
	}
	// Verify finds parents by the bytes of their names alone, and refuses some that devices take: look at the signature itself.
	forged := false
	for _, ca := range a.cas {
		if signs(ca, leaf) == nil && sameName(leaf.RawIssuer, ca.RawSubject) {
			return signature{detail: "taken by its signature alone: " + err.Error(), chainExpired: s.Now.After(ca.NotAfter) || s.Now.Before(ca.NotBefore)}
		}
		forged = forged || forgedIn(sent, ca)
	}
	if forged {
		return signature{verdict: ForgedIssuer, detail: "an expected authority is named, its signature is not there: " + err.Error()}
	}
	if a.Web() && logged(leaf) && !slices.ContainsFunc(sent, a.stranger) {
		return signature{verdict: Unrooted, detail: err.Error()}
	}
	return signature{verdict: WrongIssuer, detail: err.Error()}
}

// known is the certificate without the critical extensions that package x509 does not know: it refuses them before it
// looks who signed, which is another question.
func known(cert *x509.Certificate) *x509.Certificate {
	if len(cert.UnhandledCriticalExtensions) == 0 {
		return cert
	}
	bare := *cert
	bare.UnhandledCriticalExtensions = nil
	return &bare
}

// timestamps is the extension in which a public authority embeds the receipts of the logs that know a certificate
// (RFC 6962 §3.3). Browsers take no public certificate without it; a box that makes its own has none to embed.
var timestamps = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

// logged reports whether a certificate carries a receipt of a log. Its signature is not checked: the logs are not known here.
func logged(cert *x509.Certificate) bool {
	return slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool {
		var list, receipts, receipt cryptobyte.String
		value := cryptobyte.String(e.Value)
		const v1, logID, timestamp = 0, 32, 8 // what a receipt begins with
		return e.Id.Equal(timestamps) && value.ReadASN1(&list, cryptobyteasn1.OCTET_STRING) &&
			list.ReadUint16LengthPrefixed(&receipts) && receipts.ReadUint16LengthPrefixed(&receipt) &&
			len(receipt) > 1+logID+timestamp && receipt[0] == v1
	})
}

// stranger reports whether a certificate is a root of its own that is not among the anchor's: somebody shows whom to trust
// instead. A known one is merely sent in vain.
func (a *Anchor) stranger(cert *x509.Certificate) bool {
	if cert == nil || !sameName(cert.RawIssuer, cert.RawSubject) {
		return false
	}
	_, err := known(cert).Verify(x509.VerifyOptions{
		Roots: a.roots, CurrentTime: cert.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err != nil
}

// forgedIn reports whether a certificate of the chain names an authority that did not sign it.
func forgedIn(sent []*x509.Certificate, ca *x509.Certificate) bool {
	for _, cert := range sent {
		if cert != nil && sameName(cert.RawIssuer, ca.RawSubject) && signs(ca, cert) != nil {
			return true
		}
	}
	return false
}

// moments lists the times to verify a chain at: now, drawn into the leaf's validity, so that an expired leaf is no unknown
// authority; then the nearest one at which all that was sent is valid together, if there is, lest an expired intermediate
// be taken for one. No more: each costs a search through chains that somebody else composed.
func moments(sent []*x509.Certificate, now time.Time) []time.Time {
	leaf := sent[0]
	begin, end := leaf.NotBefore, leaf.NotAfter
	drawn := now
	switch {
	case now.Before(begin):
		drawn = begin
	case now.After(end):
		drawn = end
	}
	for _, cert := range sent {
		if cert == nil {
			continue
		}
		if cert.NotBefore.After(begin) {
			begin = cert.NotBefore
		}
		if cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	switch {
	case begin.After(end): // never all at once
	case drawn.Before(begin):
		return []time.Time{drawn, begin}
	case drawn.After(end):
		return []time.Time{drawn, end}
	}
	return []time.Time{drawn}
}
