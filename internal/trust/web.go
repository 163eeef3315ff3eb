package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// maxPool is how many certificates of a list are given to package x509. Its search for a path can grow with the
// factorial; real lists have two to four.
const maxPool = 5

// web judges a list as a browser does.
func (a *Anchor) web(list []*devicecert.Certificate, s Subject) finding {
	sent := make([]*x509.Certificate, 0, maxPool)
	for _, c := range list[:min(len(list), maxPool)] {
		sent = append(sent, asX509(c))
	}
	f := a.webChain(list, sent, s.Now)
	f.named = sent[0].VerifyHostname(s.Host) == nil
	return f
}

// webChain finds who signed a list that a web host sent. sent is the same list in the form of crypto/x509.
func (a *Anchor) webChain(list []*devicecert.Certificate, sent []*x509.Certificate, now time.Time) finding {
	if a.pool != nil {
		if f, ok := verify(a.pool, sent, now); ok {
			return f
		}
	}
	if a.Web() {
		return a.unknownRoot(sent, now)
	}
	// Verify finds issuers by the bytes of their names, and rejects CAs that browsers accept from a file: look at the
	// signatures.
	search := a.newSearch(list)
	if !search.authentic(0) {
		return a.foreign(search)
	}
	return finding{authentic: true}
}

// unknownRoot is the finding on a list from which no path leads to the anchor's roots.
func (a *Anchor) unknownRoot(sent []*x509.Certificate, now time.Time) finding {
	if a.machine != nil {
		if pool := a.machine(); pool != nil {
			if f, ok := verify(pool, sent, now); ok && f.authentic {
				return finding{verdict: WrongIssuer, machineRoot: true, detail: measurement.Detail{Kind: measurement.DetailTrustMachineRoot}}
			}
		}
	}
	if hasSCT(sent[0]) && !slices.ContainsFunc(sent, a.foreignRoot) {
		return finding{verdict: Unrooted, detail: measurement.Detail{Kind: measurement.DetailTrustUnrooted}}
	}
	return finding{verdict: WrongIssuer, detail: measurement.Detail{Kind: measurement.DetailTrustOtherIssuer}}
}

// verify builds a path to the roots. ok is false if no path leads there, even without regard to key usage.
func verify(roots *x509.CertPool, sent []*x509.Certificate, now time.Time) (f finding, ok bool) {
	for i, at := range moments(sent, now) {
		for _, attempt := range []struct {
			critical bool // critical extensions that package x509 does not know count
			usage    x509.ExtKeyUsage
			verdict  Verdict
			detail   measurement.Detail
		}{
			{true, x509.ExtKeyUsageServerAuth, Good, measurement.Detail{}},
			{false, x509.ExtKeyUsageServerAuth, Unfit, measurement.Detail{Kind: measurement.DetailTrustWebCritical, Text: unknownCritical(sent)}},
			{false, x509.ExtKeyUsageAny, Unfit, measurement.Detail{Kind: measurement.DetailTrustExtendedKeyUsage}},
		} {
			prepare := withoutCritical
			if attempt.critical {
				prepare = func(c *x509.Certificate) *x509.Certificate { return c }
			}
			pool := x509.NewCertPool()
			for _, c := range sent[1:] {
				if hasBoundedCost(c.PublicKey) {
					pool.AddCert(prepare(c))
				}
			}
			_, err := prepare(sent[0]).Verify(x509.VerifyOptions{
				Roots: roots, Intermediates: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{attempt.usage},
			})
			if err == nil {
				f = finding{authentic: true, verdict: attempt.verdict, detail: attempt.detail}
				if i > 0 && f.verdict == Good {
					f.verdict, f.detail = Expired, measurement.Detail{Kind: measurement.DetailTrustChainDates}
				}
				return f, true
			}
			var invalid x509.CertificateInvalidError
			if attempt.usage == x509.ExtKeyUsageAny && (!errors.As(err, &invalid) || invalid.Reason != x509.Expired) {
				return finding{}, false // another time changes nothing
			}
		}
	}
	return finding{}, false
}

// unknownCritical is the first critical extension of a list that package x509 does not know.
func unknownCritical(sent []*x509.Certificate) string {
	for _, c := range sent {
		for _, id := range c.UnhandledCriticalExtensions {
			return measurement.Text(id.String())
		}
	}
	return ""
}

// withoutCritical returns the certificate without the critical extensions that package x509 does not know. It rejects
// them before it looks at the signatures.
func withoutCritical(cert *x509.Certificate) *x509.Certificate {
	if len(cert.UnhandledCriticalExtensions) == 0 {
		return cert
	}
	bare := *cert
	bare.UnhandledCriticalExtensions = nil
	return &bare
}

// idSCTList is the extension in which a public CA embeds signed certificate timestamps (SCTs), the promises of
// Certificate Transparency logs (RFC 6962 §3.3). Browsers accept no public certificate without them. An inspecting
// firewall that mints certificates has no SCT to embed.
var idSCTList = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

// hasSCT reports whether a certificate carries an SCT of version 1. Its signature is not checked: the keys of the logs
// are not known here.
func hasSCT(cert *x509.Certificate) bool {
	return slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool {
		var list, scts, sct cryptobyte.String
		value := cryptobyte.String(e.Value)
		const v1, logID, timestamp = 0, 32, 8 // the version is one byte; the sizes of what follows it
		return e.Id.Equal(idSCTList) && value.ReadASN1(&list, cryptobyteasn1.OCTET_STRING) &&
			list.ReadUint16LengthPrefixed(&scts) && scts.ReadUint16LengthPrefixed(&sct) &&
			len(sct) > 1+logID+timestamp && sct[0] == v1
	})
}

// foreignRoot reports whether a certificate is a self-issued root that is not among the anchor's. A server that sends
// one asks its clients to trust it. A known one is redundant.
func (a *Anchor) foreignRoot(cert *x509.Certificate) bool {
	if string(cert.RawIssuer) != string(cert.RawSubject) {
		return false
	}
	_, err := withoutCritical(cert).Verify(x509.VerifyOptions{
		Roots: a.pool, CurrentTime: cert.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err != nil
}

// moments lists the times to verify a list at. The first is now, moved into the leaf's validity, so that an expired
// leaf is not taken for one of an unknown authority. The second is the nearest time at which all certificates of the
// list are valid together, if there is one, so that an expired intermediate is not either. There are no more: each
// costs a search.
func moments(sent []*x509.Certificate, now time.Time) []time.Time {
	leaf, first := sent[0], now
	switch {
	case now.Before(leaf.NotBefore):
		first = leaf.NotBefore
	case now.After(leaf.NotAfter):
		first = leaf.NotAfter
	}
	begin := slices.MaxFunc(sent, func(a, b *x509.Certificate) int { return a.NotBefore.Compare(b.NotBefore) }).NotBefore
	end := slices.MinFunc(sent, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
	switch {
	case begin.After(end): // never together
	case first.Before(begin):
		return []time.Time{first, begin}
	case first.After(end):
		return []time.Time{first, end}
	}
	return []time.Time{first}
}

// asX509 returns the certificate for package x509. If that package cannot parse it, for example for a negative serial
// number, the result holds what it takes to verify the signatures.
func asX509(c *devicecert.Certificate) *x509.Certificate {
	if parsed, err := x509.ParseCertificate(c.Raw); err == nil {
		return parsed
	}
	out := &x509.Certificate{
		Raw: c.Raw, RawTBSCertificate: c.RawTBSCertificate, RawIssuer: c.RawIssuer, RawSubject: c.RawSubject,
		RawSubjectPublicKeyInfo: c.RawSubjectPublicKeyInfo, Version: 3,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, PublicKey: c.PublicKey(), Signature: c.SignatureValue,
		SignatureAlgorithm:    signatureAlgorithms[c.Signature],
		BasicConstraintsValid: true, IsCA: c.CA, MaxPathLen: -1, DNSNames: c.DNSNames,
	}
	switch out.PublicKey.(type) {
	case *ecdsa.PublicKey:
		out.PublicKeyAlgorithm = x509.ECDSA
	case *rsa.PublicKey:
		out.PublicKeyAlgorithm = x509.RSA
	case ed25519.PublicKey:
		out.PublicKeyAlgorithm = x509.Ed25519
	}
	return out
}

// signatureAlgorithms maps the names of package devicecert to those of package x509.
var signatureAlgorithms = map[string]x509.SignatureAlgorithm{
	"ecdsa-with-SHA256": x509.ECDSAWithSHA256, "ecdsa-with-SHA384": x509.ECDSAWithSHA384, "ecdsa-with-SHA512": x509.ECDSAWithSHA512,
	"sha256WithRSAEncryption": x509.SHA256WithRSA, "sha384WithRSAEncryption": x509.SHA384WithRSA,
	"sha512WithRSAEncryption": x509.SHA512WithRSA, "Ed25519": x509.PureEd25519,
}
