package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Judge judges a certificate list. The verdict is the worst of what is wrong, in this order:
//
//   - the expected authority did not sign the leaf, neither itself nor through the certificates that were sent:
//     wrong_issuer, forged_issuer or unrooted;
//   - the server did not prove that it has the leaf's key: key_not_proved, a copied certificate;
//   - the client rejects the list for its form or for what a certificate may be used for: unfit;
//   - a certificate is out of date: expired, not_yet_valid;
//   - the leaf is for another name, for web clients: wrong_name.
//
// An authentic certificate that is expired or unfit is a fault of the server, not interception.
func (a *Anchor) Judge(s Subject) Judgement {
	s.Chain = s.Chain[:min(len(s.Chain), measurement.MaxChain)]
	if !s.KeyProved {
		return a.judge(&s, devicecert.ParseList(s.Chain))
	}
	key := keyOf(&s)
	if j, known := a.judgements.get(key, s.Now); known {
		return j
	}
	list := devicecert.ParseList(s.Chain)
	j := a.judge(&s, list)
	if j.Authentic && j.Verdict == Good {
		a.judgements.put(key, &j, append(a.certificates(), list...), s.Now)
	}
	return j
}

// judge judges a list that is not remembered.
func (a *Anchor) judge(s *Subject, list []*devicecert.Certificate) Judgement {
	if len(list) == 0 {
		return Judgement{}
	}
	leaf := list[0]
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	j := Judgement{
		Seen:            true,
		Issuer:          nameOf(leaf.Issuer, leaf.RawIssuer).String(),
		Subject:         nameOf(leaf.Subject, leaf.RawSubject).String(),
		PublicKeySHA256: hex.EncodeToString(sum[:]),
		NotBefore:       leaf.NotBefore,
		NotAfter:        leaf.NotAfter,
		SelfSigned:      hasBoundedCost(leaf.PublicKey()) && leaf.SelfSigned(),
		NamesHost:       namesHost(leaf, s.Host),
		Expected:        a.expected,
		Unjudged:        a.none,
	}
	if a.none {
		for _, c := range list[1:] {
			j.Chain = append(j.Chain, nameOf(c.Subject, c.RawSubject).String())
		}
		if s.SignatureChecked && !s.KeyProved {
			j.Verdict, j.Detail = KeyNotProved, measurement.Detail{Kind: measurement.DetailTrustKeyNotProved}
		}
		return j
	}
	var found finding
	if s.Client == measurement.Device && !a.Web() {
		found = a.device(list, *s)
	} else {
		found = a.web(list, *s)
	}
	j.MachineRoot = found.machineRoot
	if !found.authentic {
		if len(leaf.RawIssuer) == 0 { // bytes that are not a certificate do not show who signed
			found.verdict, found.detail = Unfit, problemDetail(leaf.Problem, 0)
		}
		j.Verdict, j.Detail = found.verdict, found.detail
		if found.verdict == Unrooted && !s.KeyProved {
			j.Verdict, j.Detail = KeyNotProved, measurement.Detail{Kind: measurement.DetailTrustKeyNotProved}
		}
		return j
	}
	j.Authentic = s.KeyProved
	switch {
	case !s.KeyProved && (s.SignatureChecked || found.verdict != Unfit):
		j.Verdict, j.Detail = KeyNotProved, measurement.Detail{Kind: measurement.DetailTrustKeyNotProved}
	case found.verdict == Unfit:
		j.Verdict, j.Detail = Unfit, found.detail
	case s.Now.After(leaf.NotAfter.Add(time.Second - 1)): // a second that has begun counts
		j.Verdict, j.Detail = Expired, dated(measurement.DetailTrustExpired, leaf.NotAfter)
	case s.Now.Before(leaf.NotBefore):
		j.Verdict, j.Detail = NotYetValid, dated(measurement.DetailTrustNotYetValid, leaf.NotBefore)
	case found.verdict == Expired:
		j.Verdict, j.Detail = Expired, found.detail
	case s.Client == measurement.Web && s.Host != "" && !found.named:
		j.Verdict, j.Detail = WrongName, measurement.Detail{Kind: measurement.DetailTrustOtherName, Text: measurement.Text(s.Host)}
	}
	return j
}

// finding is the result of the rules of one kind of client for a list.
type finding struct {
	authentic bool
	// verdict is WrongIssuer, ForgedIssuer or Unrooted of a list that is not authentic; Unfit, Expired (a certificate
	// above the leaf) or Good of one that is.
	verdict     Verdict
	detail      measurement.Detail
	machineRoot bool
	named       bool // web: the leaf is for the host
}

func dated(kind measurement.DetailKind, t time.Time) measurement.Detail {
	return measurement.Detail{Kind: kind, Text: t.UTC().Format(time.RFC3339)}
}

// certificates returns the roots as a device stores them.
func (a *Anchor) certificates() []*devicecert.Certificate {
	out := make([]*devicecert.Certificate, 0, len(a.roots))
	for _, one := range a.roots {
		out = append(out, one.certificate)
	}
	return out
}

// device judges a list as a device does that stores the anchor.
func (a *Anchor) device(list []*devicecert.Certificate, s Subject) finding {
	result := devicecert.Verify(list, a.certificates(), s.Now, a.signatures.signed)
	if list[0].Skipped() { // the device takes another certificate for the leaf, or has none
		result = devicecert.Result{Problem: list[0].Problem}
	}
	if !result.Trusted {
		search := a.newSearch(list)
		if !search.authentic(0) {
			return a.foreign(search)
		}
	}
	f := finding{authentic: true}
	switch {
	case result.Problem.Problem != devicecert.NoProblem:
		f.verdict = Unfit
		f.detail = problemDetail(result.Problem, result.At)
	case !result.Trusted:
		f.verdict, f.detail = Unfit, a.noPath(list, result)
	case result.Flags&devicecert.KeyUsage != 0:
		f.verdict, f.detail = Unfit, measurement.Detail{Kind: measurement.DetailTrustKeyUsage}
	case result.Flags&devicecert.ExtendedKeyUsage != 0:
		f.verdict, f.detail = Unfit, measurement.Detail{Kind: measurement.DetailTrustExtendedKeyUsage}
	case result.Flags&^result.LeafFlags&(devicecert.Expired|devicecert.Future) != 0:
		f.verdict, f.detail = Expired, measurement.Detail{Kind: measurement.DetailTrustChainDates}
	}
	return f
}

// foreign is the finding on a list that the anchor did not sign.
func (a *Anchor) foreign(s *search) finding {
	if i, ok := s.unchecked(); ok {
		return finding{verdict: Unfit, detail: problemDetail(s.list[i].Problem, i)}
	}
	forged := s.forged()
	switch {
	case s.incomplete: // the search ends early only for a list with more CAs than a device accepts
		return finding{verdict: Unfit, detail: problemDetail(devicecert.Finding{Problem: devicecert.ChainTooLong}, -1)}
	case forged:
		return finding{verdict: ForgedIssuer, detail: measurement.Detail{Kind: measurement.DetailTrustForged}}
	case !a.Web() && len(a.roots[0].name) == 0:
		return finding{verdict: WrongIssuer, detail: measurement.Detail{Kind: measurement.DetailTrustOtherKey}}
	}
	return finding{verdict: WrongIssuer, detail: measurement.Detail{Kind: measurement.DetailTrustOtherIssuer}}
}

// noPath says why a device finds no path though the anchor signed. The path that it built ends at the certificate whose
// issuer it does not recognise.
func (a *Anchor) noPath(list []*devicecert.Certificate, result devicecert.Result) measurement.Detail {
	end := result.Path[len(result.Path)-1]
	for _, c := range append(a.certificates(), list...) {
		if c != end && len(c.Subject) > 0 && !c.Subject.Matches(end.Issuer) && a.signatures.signed(end, c) {
			return measurement.Detail{Kind: measurement.DetailTrustIssuerForm, Text: nameOf(end.Issuer, end.RawIssuer).String()}
		}
	}
	return measurement.Detail{Kind: measurement.DetailTrustNoPath}
}

// problemDetail is the detail of a problem with the certificate at an index of a list; -1 is the list.
func problemDetail(f devicecert.Finding, at int) measurement.Detail {
	return measurement.Detail{Kind: problemDetails[f.Problem], N: at + 1, Text: f.Text}
}

// problemDetails has the detail of each problem that a device can have with a certificate.
var problemDetails = map[devicecert.Problem]measurement.DetailKind{
	devicecert.UnknownSignature:   measurement.DetailCertificateSkipped,
	devicecert.TooShort:           measurement.DetailCertificateShort,
	devicecert.Malformed:          measurement.DetailCertificateMalformed,
	devicecert.UnknownVersion:     measurement.DetailCertificateVersion,
	devicecert.SignatureForm:      measurement.DetailCertificateSignature,
	devicecert.MalformedName:      measurement.DetailCertificateName,
	devicecert.MalformedDate:      measurement.DetailCertificateDate,
	devicecert.UnreadableKey:      measurement.DetailCertificateKey,
	devicecert.MalformedKey:       measurement.DetailCertificateKeyForm,
	devicecert.CriticalExtension:  measurement.DetailCertificateCritical,
	devicecert.CriticalPolicy:     measurement.DetailCertificatePolicy,
	devicecert.RepeatedExtension:  measurement.DetailCertificateRepeated,
	devicecert.MalformedExtension: measurement.DetailCertificateExtension,
	devicecert.KeyAgreementOnly:   measurement.DetailCertificateKeyAgreement,
	devicecert.ChainTooLong:       measurement.DetailCertificateChain,
}

// namesHost reports whether a leaf is for a host, by subjectAltName or else by common name.
func namesHost(leaf *devicecert.Certificate, host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return asX509(leaf).VerifyHostname(host) == nil
	}
	if slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return matchesHost(name, host) }) {
		return true
	}
	const commonName = "2.5.4.3"
	return slices.ContainsFunc(nameOf(leaf.Subject, leaf.RawSubject), func(r RDN) bool {
		return slices.ContainsFunc(r, func(a Attribute) bool { return a.Type == commonName && matchesHost(a.Value, host) })
	})
}

// matchesHost compares a name with a host; a wildcard stands for the first label.
func matchesHost(name, host string) bool {
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return false
	}
	if wild, ok := strings.CutPrefix(name, "*."); ok {
		_, rest, _ := strings.Cut(host, ".")
		return rest != "" && strings.EqualFold(wild, rest)
	}
	return strings.EqualFold(name, host)
}
