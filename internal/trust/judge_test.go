package trust

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

const armName = "C=GB, O=ARM Ltd, CN=ARM Bootstrap CA"

// judgeCase is a list that a server sends, and the judgement on it.
type judgeCase struct {
	name      string
	anchor    *Anchor
	chain     [][]byte
	replay    bool // the server did not prove the key
	unsigned  bool // nothing shows who signed
	unchecked bool // and its signature could not be checked
	host      string
	at        time.Duration
	verdict   Verdict
	kind      measurement.DetailKind
	text      string // of the detail
}

func (c *judgeCase) run(t *testing.T, client measurement.Client) Judgement {
	t.Helper()
	j := c.anchor.Judge(Subject{Chain: c.chain, Client: client, KeyProved: !c.replay, SignatureChecked: !c.unchecked, Host: c.host, Now: now.Add(c.at)})
	if j.Verdict != c.verdict || j.Detail.Kind != c.kind || c.text != "" && j.Detail.Text != c.text {
		t.Errorf("verdict %q (%+v), want %q (%s, %q)", j.Verdict, j.Detail, c.verdict, c.kind, c.text)
	}
	authentic := !c.replay && !c.unsigned && !slices.Contains([]Verdict{WrongIssuer, ForgedIssuer, Unrooted, KeyNotProved}, c.verdict)
	if j.Authentic != authentic {
		t.Errorf("authentic %v, want %v", j.Authentic, authentic)
	}
	if !j.Seen || len(j.PublicKeySHA256) != 64 || j.Expected == "" {
		t.Errorf("what was seen is not told: %+v", j)
	}
	if (c.verdict == Good) != (j.Detail == measurement.Detail{}) {
		t.Errorf("verdict %q with the detail %+v", j.Verdict, j.Detail)
	}
	if c.verdict != Good && !slices.Contains(Verdicts, c.verdict) {
		t.Errorf("%q is not listed", c.verdict)
	}
	return j
}

// coverage collects the kinds of details that a test met.
type coverage map[measurement.DetailKind]bool

func (c coverage) missing(t *testing.T, prefix string) (out []string) {
	t.Helper()
	for _, kind := range closedlist.Constants(t, "../measurement", "DetailKind") {
		if !c[measurement.DetailKind(kind)] && strings.HasPrefix(kind, prefix) {
			out = append(out, kind)
		}
	}
	return out
}

func TestJudgeForDevices(t *testing.T) {
	name := must[Name](t)(ParseName(armName))
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	forger := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	inspector := mint(t, nil, spec{subject: der(t, rdn(attr(oidCN, "SSLInspect"))), ca: true})
	issuing := func(s spec) *authority { s.subject, s.ca = named(t, "Issuing CA"), true; return mint(t, arm, s) }
	subCA := issuing(spec{})
	middle := mint(t, arm, spec{subject: named(t, "Middle CA"), ca: true})
	lower := mint(t, middle, spec{subject: named(t, "Lower CA"), ca: true})
	onP384 := issuing(spec{key: newP384Key(t)})
	withSHA384 := issuing(spec{algorithm: x509.ECDSAWithSHA384})
	noCA := mint(t, arm, spec{subject: named(t, "Device 7")})
	noSigning := issuing(spec{usage: x509.KeyUsageCRLSign})
	short := issuing(spec{pathLen: -1})
	belowShort := mint(t, short, spec{subject: named(t, "Lowest CA"), ca: true})
	oldSubCA := issuing(spec{from: -10 * day, to: -day})
	forgedSubCA := mint(t, forger, spec{subject: named(t, "Issuing CA"), ca: true})
	otherKey := &authority{subCA.cert, newKey(t)} // signs under the issuing CA's name
	newRoot := mint(t, nil, spec{subject: named(t, "New Root"), ca: true})
	crossSigned := mint(t, arm, spec{subject: named(t, "New Root"), ca: true, key: newRoot.key})

	leaf := mint(t, arm, spec{names: []string{"a.example"}})
	expired := mint(t, arm, spec{from: -30 * day, to: -day})
	early := mint(t, arm, spec{from: day})
	subLeaf := mint(t, subCA, spec{})
	critical := []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 2}, Critical: true, Value: []byte{5, 0}}}
	policy := []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Critical: true, Value: []byte{0x30, 5, 0x30, 3, 6, 1, 0x2a}}}
	byIssuerName := func(rdns ...pkix.RelativeDistinguishedNameSET) *authority {
		return mint(t, arm, spec{issuerName: der(t, rdns...)})
	}
	utf8String := func(c, o, cn string) *authority {
		return byIssuerName(rdn(coded(oidC, asn1.TagUTF8String, c)), rdn(coded(oidO, asn1.TagUTF8String, o)), rdn(coded(oidCN, asn1.TagUTF8String, cn)))
	}
	issuedBy := func(a *authority) [][]byte { return chain(mint(t, a, spec{names: []string{"a.example"}})) }
	with := func(a [][]byte, more ...*authority) [][]byte { return slices.Concat(a, chain(more...)) }
	edited := func(edit func([]byte)) [][]byte {
		return reissued(t, arm, mint(t, arm, spec{subject: der(t, rdn(attr(oidCN, "gateway-1")))}), edit)
	}
	unknownAlgorithm := func(chain [][]byte) [][]byte {
		const sha256, unknown = "\x2a\x86\x48\xce\x3d\x04\x03\x02", "\x2a\x86\x48\xce\x3d\x04\x03\x09"
		return [][]byte{bytes.ReplaceAll(chain[0], []byte(sha256), []byte(unknown))}
	}
	twice := []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{0x30, 0}}, {Id: asn1.ObjectIdentifier{2, 5, 29, 18}, Value: []byte{0x30, 0}}}

	unknownAccess := []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 99}, Value: []byte("junk")}}

	own := mint(t, nil, spec{subject: named(t, "Server"), names: []string{"a.example"}})

	byKey := must[*Anchor](t)(NewKey(name, spki(t, arm)))
	byKeyOnly := must[*Anchor](t)(NewKey(nil, spki(t, arm)))
	byFile := must[*Anchor](t)(NewCAs(nil, inPEM(arm)))
	byFileNamed := must[*Anchor](t)(NewCAs(name, inPEM(inspector, arm)))
	byTwo := must[*Anchor](t)(NewCAs(nil, inPEM(inspector, arm)))

	const otherIssuer, forged, keyNotProved = measurement.DetailTrustOtherIssuer, measurement.DetailTrustForged, measurement.DetailTrustKeyNotProved
	tests := []judgeCase{
		{name: "the authority's leaf", anchor: byKey, chain: chain(leaf)},
		{name: "an inspecting firewall", anchor: byKey, chain: issuedBy(inspector), verdict: WrongIssuer, kind: otherIssuer},
		{name: "the right name and a wrong key", anchor: byKey, chain: issuedBy(forger), verdict: ForgedIssuer, kind: forged},
		{name: "the same with its root", anchor: byKey, chain: with(issuedBy(forger), forger), verdict: ForgedIssuer, kind: forged},
		{name: "the right name in another spelling and a wrong key", anchor: byKey, verdict: ForgedIssuer, kind: forged,
			chain: chain(mint(t, forger, spec{issuerName: der(t, rdn(attr(oidO, "arm  ltd")), rdn(attr(oidCN, "ARM Bootstrap CA")), rdn(attr(oidC, "GB")))}))},
		{name: "a copied certificate", anchor: byKey, chain: chain(leaf), replay: true, verdict: KeyNotProved, kind: keyNotProved},
		{name: "a flight that was cut short", anchor: byKey, chain: chain(leaf), replay: true, unchecked: true, verdict: KeyNotProved, kind: keyNotProved},
		{name: "another issuer and a missing proof", anchor: byKey, chain: issuedBy(inspector), replay: true, verdict: WrongIssuer, kind: otherIssuer},
		{name: "expired", anchor: byKey, chain: chain(expired), verdict: Expired, kind: measurement.DetailTrustExpired, text: "2026-11-23T12:00:00Z"},
		{name: "not yet valid", anchor: byKey, chain: chain(early), verdict: NotYetValid, kind: measurement.DetailTrustNotYetValid, text: "2026-11-25T12:00:00Z"},
		{name: "an expired copy is a copy", anchor: byKey, chain: chain(expired), replay: true, verdict: KeyNotProved, kind: keyNotProved},
		{name: "at its last second", anchor: byKey, chain: chain(leaf), at: 90*day + time.Second - 1},
		{name: "a second later", anchor: byKey, chain: chain(leaf), at: 90*day + time.Second, verdict: Expired, kind: measurement.DetailTrustExpired},
		{name: "a device compares no host", anchor: byKey, chain: chain(leaf), host: "b.example"},
		{name: "issuer in another string type and case", anchor: byKey, chain: chain(utf8String("gb", "arm ltd", "ARM BOOTSTRAP CA"))},
		{name: "the authority sends its root too", anchor: byKey, chain: chain(leaf, arm)},

		{name: "leaf and issuing CA", anchor: byKey, chain: chain(subLeaf, subCA)},
		{name: "leaf and issuing CA, no name configured", anchor: byKeyOnly, chain: chain(subLeaf, subCA)},
		{name: "leaf, root and issuing CA", anchor: byKey, chain: chain(subLeaf, arm, subCA)},
		{name: "two intermediates", anchor: byKey, chain: chain(mint(t, lower, spec{}), lower, middle)},
		{name: "two intermediates in the wrong order", anchor: byKey, chain: chain(mint(t, lower, spec{}), middle, lower), verdict: Unfit, kind: measurement.DetailTrustNoPath},
		{name: "an issuing CA that is not sent", anchor: byKey, chain: chain(subLeaf), verdict: WrongIssuer, kind: otherIssuer},
		{name: "a new authority, cross-signed", anchor: byKey, chain: with(issuedBy(newRoot), crossSigned)},
		{name: "a new authority, not cross-signed", anchor: byKey, chain: with(issuedBy(newRoot), newRoot), verdict: WrongIssuer, kind: otherIssuer},
		{name: "an expired issuing CA", anchor: byKey, chain: chain(mint(t, oldSubCA, spec{}), oldSubCA), verdict: Expired, kind: measurement.DetailTrustChainDates},
		{name: "a forged issuing CA", anchor: byKey, chain: with(issuedBy(forgedSubCA), forgedSubCA), verdict: ForgedIssuer, kind: forged},
		{name: "under the issuing CA's name, with another key", anchor: byKey, chain: with(issuedBy(otherKey), subCA), verdict: ForgedIssuer, kind: forged},
		{name: "signed with the key of a device", anchor: byKey, chain: chain(mint(t, noCA, spec{}), noCA), verdict: WrongIssuer, kind: otherIssuer},
		{name: "an inspecting firewall that sends the cloud's leaf along", anchor: byKey, chain: with(issuedBy(inspector), inspector, leaf), verdict: WrongIssuer, kind: otherIssuer},

		{name: "an issuing CA on P-384", anchor: byKey, chain: with(issuedBy(onP384), onP384), verdict: Unfit, kind: measurement.DetailCertificateSkipped, text: "ecdsa-with-SHA384"},
		{name: "an issuing CA on P-384 after a leaf signed with SHA-256", anchor: byKey, verdict: Unfit, kind: measurement.DetailCertificateKey, text: "P-384",
			chain: chain(mint(t, onP384, spec{algorithm: x509.ECDSAWithSHA256}), onP384)},
		{name: "an issuing CA signed with SHA-384", anchor: byKey, chain: with(issuedBy(withSHA384), withSHA384), verdict: Unfit, kind: measurement.DetailTrustNoPath},
		{name: "an issuing CA that may not sign certificates", anchor: byKey, chain: with(issuedBy(noSigning), noSigning), verdict: Unfit, kind: measurement.DetailTrustNoPath},
		{name: "a path that is too long", anchor: byKey, chain: chain(mint(t, belowShort, spec{}), belowShort, short), verdict: Unfit, kind: measurement.DetailTrustNoPath},
		{name: "a leaf with a key on P-384", anchor: byKey, chain: chain(mint(t, arm, spec{key: newP384Key(t)})), verdict: Unfit, kind: measurement.DetailCertificateKey, text: "P-384"},
		{name: "a leaf with an RSA key", anchor: byKey, chain: chain(mint(t, arm, spec{key: newRSAKey(t)})), verdict: Unfit, kind: measurement.DetailCertificateKey, text: "RSA"},
		{name: "a leaf signed with SHA-384", anchor: byKey, chain: chain(mint(t, arm, spec{algorithm: x509.ECDSAWithSHA384})), verdict: Unfit, kind: measurement.DetailCertificateSkipped, text: "ecdsa-with-SHA384"},
		{name: "an unrelated certificate on P-384 after the leaf", anchor: byKey, chain: chain(leaf, mint(t, nil, spec{subject: named(t, "Other"), key: newP384Key(t), algorithm: x509.ECDSAWithSHA256})),
			verdict: Unfit, kind: measurement.DetailCertificateKey, text: "P-384"},
		{name: "bytes that are no certificate after the leaf", anchor: byKey, chain: append(chain(leaf), make([]byte, 200)), verdict: Unfit, kind: measurement.DetailCertificateMalformed},
		{name: "few bytes after the leaf", anchor: byKey, chain: append(chain(leaf), make([]byte, 20)), verdict: Unfit, kind: measurement.DetailCertificateShort},
		{name: "an unknown critical extension", anchor: byKey, chain: chain(mint(t, arm, spec{extra: critical})), verdict: Unfit, kind: measurement.DetailCertificateCritical, text: "1.3.6.1.4.1.32473.2"},
		{name: "an unknown critical extension, key not proved", anchor: byKey, chain: chain(mint(t, arm, spec{extra: critical})), replay: true, verdict: KeyNotProved, kind: keyNotProved},
		{name: "an unknown critical extension, key not checked", anchor: byKey, chain: chain(mint(t, arm, spec{extra: critical})), replay: true, unchecked: true, verdict: Unfit, kind: measurement.DetailCertificateCritical},
		{name: "a critical policy", anchor: byKey, chain: chain(mint(t, arm, spec{extra: policy})), verdict: Unfit, kind: measurement.DetailCertificatePolicy, text: "1.2"},
		{name: "subjectAltName twice", anchor: byKey, chain: reissued(t, arm, mint(t, arm, spec{extra: twice}), replaced(t, "\x55\x1d\x12", "\x55\x1d\x11")), verdict: Unfit, kind: measurement.DetailCertificateRepeated, text: "2.5.29.17"},
		{name: "a malformed subjectAltName", anchor: byKey, chain: chain(mint(t, arm, spec{extra: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: []byte{0x30, 0}}}})), verdict: Unfit, kind: measurement.DetailCertificateExtension, text: "2.5.29.37"},
		{name: "version 4", anchor: byKey, chain: edited(replaced(t, "\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x03")), verdict: Unfit, kind: measurement.DetailCertificateVersion},
		{name: "a subject in NumericString", anchor: byKey, chain: edited(replaced(t, "\x13\x09gateway-1", "\x12\x09123456789")), verdict: Unfit, kind: measurement.DetailCertificateName},
		{name: "a date without a meaning", anchor: byKey, chain: edited(replaced(t, "261123120000Z", "261323120000Z")), verdict: Unfit, kind: measurement.DetailCertificateDate},
		{name: "a signature algorithm that differs outside", anchor: byKey, chain: edited(replaced(t, "\x04\x03\x02", "\x04\x03\x01")), verdict: Unfit, kind: measurement.DetailCertificateSignature},
		{name: "keyUsage without digitalSignature", anchor: byKey, chain: chain(mint(t, arm, spec{usage: x509.KeyUsageKeyAgreement})), verdict: Unfit, kind: measurement.DetailTrustKeyUsage},
		{name: "extendedKeyUsage without serverAuth", anchor: byKey, chain: chain(mint(t, arm, spec{extended: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})), verdict: Unfit, kind: measurement.DetailTrustExtendedKeyUsage},
		{name: "a certificate for servers", anchor: byKey, chain: chain(mint(t, arm, spec{usage: x509.KeyUsageDigitalSignature, extended: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}))},
		{name: "unfit and expired", anchor: byKey, chain: chain(mint(t, arm, spec{from: -9 * day, to: -day, usage: x509.KeyUsageKeyAgreement})), verdict: Unfit, kind: measurement.DetailTrustKeyUsage},

		{name: "the right key and another name", anchor: byKey, chain: chain(mint(t, arm, spec{issuerName: named(t, "Other")})), verdict: Unfit, kind: measurement.DetailTrustIssuerForm, text: "C=GB, O=ARM Ltd, CN=Other"},
		{name: "the right key, the name with two blanks", anchor: byKey, chain: chain(utf8String("GB", "ARM  Ltd", "ARM Bootstrap CA")), verdict: Unfit, kind: measurement.DetailTrustIssuerForm},
		{name: "the right key, the name in another order", anchor: byKey, verdict: Unfit, kind: measurement.DetailTrustIssuerForm,
			chain: chain(byIssuerName(rdn(attr(oidCN, "ARM Bootstrap CA")), rdn(attr(oidO, "ARM Ltd")), rdn(attr(oidC, "GB"))))},
		{name: "the right key, the name in T61String", anchor: byKey, verdict: Unfit, kind: measurement.DetailTrustIssuerForm,
			chain: chain(byIssuerName(rdn(attr(oidC, "GB")), rdn(attr(oidO, "ARM Ltd")), rdn(coded(oidCN, asn1.TagT61String, "ARM Bootstrap CA"))))},
		{name: "the right key, the name as one RDN", anchor: byKey, verdict: Unfit, kind: measurement.DetailTrustIssuerForm,
			chain: chain(byIssuerName(rdn(attr(oidC, "GB"), attr(oidO, "ARM Ltd"), attr(oidCN, "ARM Bootstrap CA"))))},
		{name: "the issuing CA's name in T61String", anchor: byKey, verdict: Unfit, kind: measurement.DetailTrustIssuerForm,
			chain: chain(mint(t, subCA, spec{issuerName: der(t, rdn(attr(oidC, "GB")), rdn(attr(oidO, "ARM Ltd")), rdn(coded(oidCN, asn1.TagT61String, "Issuing CA")))}), subCA)},

		{name: "a negative serial number", anchor: byKey, chain: edited(negative(t))},
		{name: "_ and @ in a PrintableString", anchor: byKey, chain: edited(replaced(t, "gateway-1", "gatew_y@1"))},
		{name: "a BIT STRING in a name", anchor: byKey, chain: edited(replaced(t, "\x13\x09gateway-1", "\x03\x09\x00ateway-1"))},
		{name: "a UniversalString in a name", anchor: byKey, chain: edited(replaced(t, "\x13\x09gateway-1", "\x1c\x09gateway-1"))},
		{name: "odd contents of authorityInfoAccess", anchor: byKey, chain: reissued(t, arm, mint(t, arm, spec{extra: unknownAccess}), replaced(t, "\x07\x01\x63", "\x07\x01\x01"))},
		{name: "an inspecting firewall with a negative serial number", anchor: byKey, chain: reissued(t, inspector, mint(t, inspector, spec{}), negative(t)), verdict: WrongIssuer, kind: otherIssuer},
		{name: "signed with an algorithm that is not known here: not proved to be forged", anchor: byKey, chain: unknownAlgorithm(chain(leaf)),
			verdict: Unfit, unsigned: true, kind: measurement.DetailCertificateSkipped},
		{name: "the same with the key of another: neither", anchor: byKey, chain: unknownAlgorithm(issuedBy(forger)), verdict: Unfit, unsigned: true, kind: measurement.DetailCertificateSkipped},
		{name: "the same under a key without a name", anchor: byKeyOnly, chain: unknownAlgorithm(chain(leaf)), verdict: Unfit, unsigned: true, kind: measurement.DetailCertificateSkipped},
		{name: "the same by an inspecting firewall", anchor: byKey, chain: unknownAlgorithm(issuedBy(inspector)), verdict: WrongIssuer, kind: otherIssuer},
		{name: "under an issuing CA whose key cannot be read: not proved to be forged", anchor: byKey, verdict: Unfit, unsigned: true, kind: measurement.DetailCertificateKey,
			chain: slices.Concat(chain(subLeaf), reissued(t, arm, subCA, replaced(t, "\xce\x3d\x02\x01", "\xce\x3d\x02\x09")))},
		{name: "a forger with a negative serial number", anchor: byKey, chain: reissued(t, forger, mint(t, forger, spec{}), negative(t)), verdict: ForgedIssuer, kind: forged},
		{name: "an inspecting firewall with RSA", anchor: byKey, chain: issuedBy(mint(t, nil, spec{subject: named(t, "Box"), ca: true, key: newRSAKey(t)})), verdict: WrongIssuer, kind: otherIssuer},
		{name: "bytes that are no certificate", anchor: byKey, chain: [][]byte{make([]byte, 200)}, verdict: Unfit, kind: measurement.DetailCertificateMalformed, unsigned: true},

		{name: "key without name: the authority's leaf", anchor: byKeyOnly, chain: chain(leaf)},
		{name: "key without name: any name of the issuer", anchor: byKeyOnly, chain: chain(mint(t, arm, spec{issuerName: named(t, "Other")}))},
		{name: "key without name: another key", anchor: byKeyOnly, chain: issuedBy(forger), verdict: WrongIssuer, kind: measurement.DetailTrustOtherKey},
		{name: "key without name: a forged issuing CA", anchor: byKeyOnly, chain: with(issuedBy(otherKey), subCA), verdict: ForgedIssuer, kind: forged},

		{name: "file: leaf", anchor: byFile, chain: chain(leaf)},
		{name: "file: leaf and intermediate", anchor: byFile, chain: chain(subLeaf, subCA)},
		{name: "file: intermediate not sent", anchor: byFile, chain: chain(subLeaf), verdict: WrongIssuer, kind: otherIssuer},
		{name: "file: an inspecting firewall", anchor: byFile, chain: with(issuedBy(inspector), inspector), verdict: WrongIssuer, kind: otherIssuer},
		{name: "file: the right name and a wrong key", anchor: byFile, chain: issuedBy(forger), verdict: ForgedIssuer, kind: forged},
		{name: "file: the right key, the name in T61String", anchor: byFile, verdict: Unfit, kind: measurement.DetailTrustIssuerForm,
			chain: chain(byIssuerName(rdn(attr(oidC, "GB")), rdn(attr(oidO, "ARM Ltd")), rdn(coded(oidCN, asn1.TagT61String, "ARM Bootstrap CA"))))},
		{name: "file: an issuing CA on P-384", anchor: byFile, chain: chain(mint(t, onP384, spec{algorithm: x509.ECDSAWithSHA256}), onP384), verdict: Unfit, kind: measurement.DetailCertificateKey},
		{name: "file: a leaf and an issuing CA on P-384: the leaf, which stands first", anchor: byFile,
			chain: chain(mint(t, onP384, spec{key: newP384Key(t), algorithm: x509.ECDSAWithSHA384}), onP384), verdict: Unfit, kind: measurement.DetailCertificateSkipped},
		{name: "file: the file's CA out of date", anchor: must[*Anchor](t)(NewCAs(nil, inPEM(mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true, key: arm.key, from: -9 * day, to: -day})))),
			chain: chain(leaf), verdict: Expired, kind: measurement.DetailTrustChainDates},
		{name: "file: a server's own certificate", anchor: must[*Anchor](t)(NewCAs(nil, inPEM(own))), chain: chain(own)},
		{name: "file: signed with the key of a server's own certificate", anchor: must[*Anchor](t)(NewCAs(nil, inPEM(own))), chain: chain(mint(t, own, spec{})), verdict: Unfit, kind: measurement.DetailTrustNoPath},
		{name: "file of two: the second", anchor: byTwo, chain: chain(leaf)},
		{name: "file with name: the named one", anchor: byFileNamed, chain: chain(leaf)},
		{name: "file with name: another of the file", anchor: byFileNamed, chain: issuedBy(inspector), verdict: WrongIssuer, kind: otherIssuer},
	}
	met := coverage{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := test.run(t, measurement.Device)
			met[j.Detail.Kind] = true
		})
	}
	for _, kind := range []measurement.DetailKind{ // not made by package x509; devicecert's tests have certificates for them
		measurement.DetailCertificateKeyForm, measurement.DetailCertificateKeyAgreement, measurement.DetailCertificateChain,
	} {
		met[kind] = true
	}
	if missing := met.missing(t, "certificate_"); missing != nil {
		t.Errorf("no case for %v", missing)
	}
}

// TestProblemDetails checks that each problem of a certificate has a detail.
func TestProblemDetails(t *testing.T) {
	roots := []devicecert.Problem{devicecert.RootTooLong, devicecert.NotCA, devicecert.NoSigning} // of roots, see TestAnchorCheck
	for _, p := range devicecert.Problems {
		kind, ok := problemDetails[p]
		if p == devicecert.NoCertificate || slices.Contains(roots, p) { // a list of which all are skipped has a skipped leaf
			if ok {
				t.Errorf("%s has the detail %s, which nothing gives", p, kind)
			}
			continue
		}
		if !strings.HasPrefix(string(kind), "certificate_") {
			t.Errorf("%s has the detail %q", p, kind)
		}
	}
}

func TestJudgeForBrowsers(t *testing.T) {
	arm := mint(t, nil, spec{subject: named(t, "Root"), ca: true})
	inspector := mint(t, nil, spec{subject: der(t, rdn(attr(oidCN, "SSLInspect"))), ca: true})
	company := mint(t, nil, spec{subject: named(t, "Company CA"), ca: true})
	rsaCA := mint(t, nil, spec{subject: named(t, "RSA CA"), ca: true, key: newRSAKey(t)})
	edCA := mint(t, nil, spec{subject: named(t, "Ed CA"), ca: true, key: newEd25519Key(t)})
	unmarked := mint(t, nil, spec{subject: named(t, "Unmarked CA")})
	subCA := mint(t, arm, spec{subject: named(t, "Issuing CA"), ca: true})
	oldSubCA := mint(t, arm, spec{subject: named(t, "Old Issuing CA"), ca: true, from: -10 * day, to: -day})
	upperCA := mint(t, arm, spec{subject: named(t, "Upper CA"), ca: true})
	lowerCA := mint(t, upperCA, spec{subject: named(t, "Lower CA"), ca: true})
	forger := mint(t, nil, spec{subject: named(t, "Root"), ca: true})

	sct := append([]byte{0}, make([]byte, 32+8+4)...) // version 1, log, time, and the rest
	list := append([]byte{0, byte(2 + len(sct)), 0, byte(len(sct))}, sct...)
	scts := []pkix.Extension{{Id: idSCTList, Value: append([]byte{4, byte(len(list))}, list...)}}
	noSCTs := []pkix.Extension{{Id: idSCTList, Value: []byte{4, 2, 0, 0}}}
	critical := []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 2}, Critical: true, Value: []byte{5, 0}}}
	names := []string{"a.example"}
	leaf := mint(t, arm, spec{names: names})
	expired := mint(t, arm, spec{from: -30 * day, to: -day, names: names})
	subLeaf := mint(t, subCA, spec{names: names})
	webLeaf := mint(t, lowerCA, spec{names: names, extra: scts})
	issuedBy := func(a *authority) [][]byte { return chain(mint(t, a, spec{names: names})) }
	clientOnly := spec{names: names, extended: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}

	roots := NewRoots(poolOf(arm))
	public := NewPublicRoots(poolOf(arm), func() *x509.CertPool { return poolOf(arm, company) })
	withoutMachine := NewPublicRoots(poolOf(arm), func() *x509.CertPool { return nil })
	byFile := must[*Anchor](t)(NewCAs(nil, inPEM(arm)))
	bySelf := must[*Anchor](t)(NewCAs(nil, inPEM(unmarked)))
	byKey := must[*Anchor](t)(NewKey(must[Name](t)(ParseName("C=GB, O=ARM Ltd, CN=Root")), spki(t, arm)))
	byRSAKey := must[*Anchor](t)(NewKey(nil, spki(t, rsaCA)))
	byEdKey := must[*Anchor](t)(NewKey(nil, spki(t, edCA)))

	const otherIssuer, forged, unrooted = measurement.DetailTrustOtherIssuer, measurement.DetailTrustForged, measurement.DetailTrustUnrooted
	tests := []judgeCase{
		{name: "leaf and intermediate", anchor: roots, chain: chain(subLeaf, subCA)},
		{name: "an unknown authority", anchor: roots, chain: slices.Concat(issuedBy(inspector), chain(inspector)), verdict: WrongIssuer, kind: otherIssuer},
		{name: "an unknown authority with a negative serial number", anchor: roots, chain: reissued(t, inspector, mint(t, inspector, spec{names: names}), negative(t)), verdict: WrongIssuer, kind: otherIssuer},
		{name: "a root's leaf with a negative serial number", anchor: roots, chain: reissued(t, arm, leaf, negative(t))},
		{name: "another host", anchor: roots, chain: chain(leaf), host: "b.example", verdict: WrongName, kind: measurement.DetailTrustOtherName, text: "b.example"},
		{name: "expired and another host", anchor: roots, chain: chain(expired), host: "b.example", verdict: Expired, kind: measurement.DetailTrustExpired},
		{name: "expired", anchor: roots, chain: chain(expired), verdict: Expired, kind: measurement.DetailTrustExpired},
		{name: "not yet valid", anchor: roots, chain: chain(leaf), at: -2 * day, verdict: NotYetValid, kind: measurement.DetailTrustNotYetValid},
		{name: "an expired intermediate", anchor: roots, chain: chain(mint(t, oldSubCA, spec{from: -5 * day, names: names}), oldSubCA), verdict: Expired, kind: measurement.DetailTrustChainDates},
		{name: "a missing intermediate", anchor: roots, chain: chain(webLeaf), verdict: Unrooted, kind: unrooted},
		{name: "a missing upper intermediate", anchor: roots, chain: chain(webLeaf, lowerCA), verdict: Unrooted, kind: unrooted},
		{name: "a root in place of the intermediate", anchor: roots, chain: chain(webLeaf, arm), verdict: Unrooted, kind: unrooted},
		{name: "a missing intermediate, key not proved", anchor: roots, chain: chain(webLeaf), replay: true, verdict: KeyNotProved, kind: measurement.DetailTrustKeyNotProved},
		{name: "a missing intermediate and no SCT in the list", anchor: roots, chain: chain(mint(t, lowerCA, spec{names: names, extra: noSCTs})), verdict: WrongIssuer, kind: otherIssuer},
		{name: "a missing intermediate and no SCT", anchor: roots, chain: chain(subLeaf), verdict: WrongIssuer, kind: otherIssuer},
		{name: "no intermediate missing", anchor: roots, chain: chain(webLeaf, lowerCA, upperCA)},
		{name: "an inspecting firewall that copies the SCTs and sends its root", anchor: roots,
			chain: chain(mint(t, inspector, spec{names: names, extra: scts}), inspector), verdict: WrongIssuer, kind: otherIssuer},
		{name: "a leaf that signs", anchor: roots, chain: chain(mint(t, leaf, spec{names: names}), leaf), verdict: WrongIssuer, kind: otherIssuer},
		{name: "an unknown critical extension", anchor: roots, chain: chain(mint(t, arm, spec{names: names, extra: critical})), verdict: Unfit, kind: measurement.DetailTrustWebCritical, text: "1.3.6.1.4.1.32473.2"},
		{name: "an unknown critical extension of an inspecting firewall", anchor: roots, chain: chain(mint(t, inspector, spec{names: names, extra: critical})), verdict: WrongIssuer, kind: otherIssuer},
		{name: "extendedKeyUsage without serverAuth", anchor: roots, chain: chain(mint(t, arm, clientOnly)), verdict: Unfit, kind: measurement.DetailTrustExtendedKeyUsage},
		{name: "extendedKeyUsage without serverAuth of an inspecting firewall", anchor: roots, chain: chain(mint(t, inspector, clientOnly)), verdict: WrongIssuer, kind: otherIssuer},
		{name: "extendedKeyUsage without serverAuth, expired", anchor: roots, verdict: Unfit, kind: measurement.DetailTrustExtendedKeyUsage,
			chain: chain(mint(t, arm, spec{names: names, from: -9 * day, to: -day, extended: clientOnly.extended}))},

		{name: "public roots: known", anchor: public, chain: chain(subLeaf, subCA)},
		{name: "public roots: a company's root on this machine", anchor: public, chain: issuedBy(company), verdict: WrongIssuer, kind: measurement.DetailTrustMachineRoot},
		{name: "public roots: a company's root on this machine, expired", anchor: public, chain: chain(mint(t, company, spec{names: names, from: -9 * day, to: -day})), verdict: WrongIssuer, kind: measurement.DetailTrustMachineRoot},
		{name: "public roots: an unknown authority", anchor: public, chain: issuedBy(inspector), verdict: WrongIssuer, kind: otherIssuer},
		{name: "public roots: no roots of this machine", anchor: withoutMachine, chain: issuedBy(company), verdict: WrongIssuer, kind: otherIssuer},
		{name: "system roots: a company's root on this machine", anchor: NewRoots(poolOf(arm, company)), chain: issuedBy(company)},

		{name: "file: leaf and intermediate", anchor: byFile, chain: chain(subLeaf, subCA)},
		{name: "file: the right name and a wrong key", anchor: byFile, chain: issuedBy(forger), verdict: ForgedIssuer, kind: forged},
		{name: "file: SCTs, but another authority", anchor: byFile, chain: chain(mint(t, inspector, spec{names: names, extra: scts})), verdict: WrongIssuer, kind: otherIssuer},
		{name: "file: issuer in another string type", anchor: byFile,
			chain: chain(mint(t, arm, spec{names: names, issuerName: der(t, rdn(attr(oidC, "GB")), rdn(attr(oidO, "ARM Ltd")), rdn(coded(oidCN, asn1.TagUTF8String, "Root")))}))},
		{name: "file: a server's own certificate", anchor: bySelf, chain: chain(unmarked), host: "", verdict: Good},
		{name: "file: an authority without the CA flag", anchor: bySelf, chain: issuedBy(unmarked)},
		{name: "key: leaf", anchor: byKey, chain: chain(leaf)},
		{name: "key: leaf and intermediate", anchor: byKey, chain: chain(subLeaf, subCA)},
		{name: "key: another host", anchor: byKey, chain: chain(leaf), host: "b.example", verdict: WrongName, kind: measurement.DetailTrustOtherName},
		{name: "RSA key", anchor: byRSAKey, chain: issuedBy(rsaCA)},
		{name: "RSA key, RSASSA-PSS", anchor: byRSAKey, chain: chain(mint(t, rsaCA, spec{names: names, algorithm: x509.SHA256WithRSAPSS}))},
		{name: "RSA key: another", anchor: byRSAKey, chain: chain(leaf), verdict: WrongIssuer, kind: measurement.DetailTrustOtherKey},
		{name: "Ed25519 key", anchor: byEdKey, chain: issuedBy(edCA)},
	}
	met := coverage{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.host == "" && test.anchor != bySelf {
				test.host = "a.example"
			}
			j := test.run(t, measurement.Web)
			met[j.Detail.Kind] = true
			if j.MachineRoot != (test.kind == measurement.DetailTrustMachineRoot) {
				t.Errorf("machine root: %v", j.MachineRoot)
			}
		})
	}
	for _, kind := range []measurement.DetailKind{ // met by devices only, see TestJudgeForDevices
		measurement.DetailTrustKeyUsage, measurement.DetailTrustIssuerForm, measurement.DetailTrustNoPath,
	} {
		met[kind] = true
	}
	if missing := met.missing(t, "trust_"); missing != nil {
		t.Errorf("no case for %v", missing)
	}
}

func TestJudgeWithoutCertificate(t *testing.T) {
	anchor := NewRoots(poolOf())
	for _, c := range [][][]byte{nil, {}} {
		if got := anchor.Judge(Subject{Chain: c, KeyProved: true, Now: now}); !reflect.DeepEqual(got, Judgement{}) {
			t.Errorf("judged %+v", got)
		}
	}
}

func TestJudgementFacts(t *testing.T) {
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	byFile := must[*Anchor](t)(NewCAs(nil, inPEM(arm)))
	odd := reissued(t, arm, mint(t, arm, spec{subject: der(t, rdn(attr(oidCN, "device.example")))}), negative(t))
	hostile := mint(t, arm, spec{subject: der(t, rdn(attr(oidCN, "evil\x1b[2J, O=ARM Ltd"), attr(oidO, strings.Repeat("x", 300))))})
	tests := []struct {
		name              string
		chain             [][]byte
		host              string
		issuer, subject   string // subject: a part of it
		selfSigned, named bool
	}{
		{"a leaf", chain(mint(t, arm, spec{names: []string{"a.example"}, subject: der(t, rdn(attr(oidCN, "x")))})), "a.example", armName, "CN=x", false, true},
		{"a leaf for another host", chain(mint(t, arm, spec{names: []string{"a.example"}, subject: der(t, rdn(attr(oidCN, "x")))})), "b.example", armName, "CN=x", false, false},
		{"no host", chain(mint(t, arm, spec{names: []string{"a.example"}, subject: der(t, rdn(attr(oidCN, "x")))})), "", armName, "CN=x", false, false},
		{"a common name", chain(mint(t, arm, spec{subject: der(t, rdn(attr(oidCN, "a.example")))})), "A.example.", armName, "CN=a.example", false, true},
		{"a common name with a wildcard", chain(mint(t, arm, spec{subject: der(t, rdn(attr(oidCN, "*.example")))})), "a.example", armName, `CN=*.example`, false, true},
		{"a wildcard for two labels", chain(mint(t, arm, spec{subject: der(t, rdn(attr(oidCN, "*.example")))})), "b.a.example", armName, `CN=*.example`, false, false},
		{"an address", chain(mint(t, arm, spec{addresses: []net.IP{net.ParseIP("192.0.2.1")}, subject: der(t, rdn(attr(oidCN, "x")))})), "192.0.2.1", armName, "CN=x", false, true},
		{"another address", chain(mint(t, arm, spec{addresses: []net.IP{net.ParseIP("192.0.2.1")}, subject: der(t, rdn(attr(oidCN, "192.0.2.2")))})), "192.0.2.2", armName, "CN=192", false, false},
		{"a self-signed certificate", chain(mint(t, nil, spec{subject: der(t, rdn(attr(oidCN, "router")))})), "a.example", "CN=router", "CN=router", true, false},
		{"a self-issued certificate of another key", chain(mint(t, arm, spec{subject: named(t, "ARM Bootstrap CA")})), "a.example", armName, armName, false, false},
		{"a certificate that package x509 cannot parse", odd, "device.example", armName, "CN=device.example", false, true},
		{"a hostile subject", chain(hostile), "a.example", armName, `O=`, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := byFile.Judge(Subject{Chain: test.chain, Client: measurement.Device, KeyProved: true, Host: test.host, Now: now})
			if j.Issuer != test.issuer || !strings.Contains(j.Subject, test.subject) || j.SelfSigned != test.selfSigned || j.NamesHost != test.named {
				t.Errorf("issuer %q, subject %q, self-signed %v, for the host %v", j.Issuer, j.Subject, j.SelfSigned, j.NamesHost)
			}
			if len(j.Subject) > measurement.MaxText || !utf8.ValidString(j.Subject) || strings.ContainsRune(j.Subject, '\x1b') {
				t.Errorf("unsafe subject %q", j.Subject)
			}
			if !j.NotBefore.Equal(now.Add(-day)) || !j.NotAfter.Equal(now.Add(90*day)) || j.Expected != armName {
				t.Errorf("%+v", j)
			}
		})
	}
}

// TestProvesInterception: an address that the cloud has left may belong to another owner, with another certificate.
func TestProvesInterception(t *testing.T) {
	tests := []struct {
		name               string
		j                  Judgement
		current, withdrawn bool
	}{
		{"another issuer", Judgement{Verdict: WrongIssuer}, true, false},
		{"a self-signed certificate", Judgement{Verdict: WrongIssuer, SelfSigned: true}, true, false},
		{"a self-signed certificate for the host", Judgement{Verdict: WrongIssuer, SelfSigned: true, NamesHost: true}, true, false},
		{"another issuer's certificate for the host", Judgement{Verdict: WrongIssuer, NamesHost: true}, true, true},
		{"a forged one", Judgement{Verdict: ForgedIssuer, NamesHost: true}, true, true},
		{"a copied one", Judgement{Verdict: KeyNotProved, NamesHost: true}, true, true},
		{"a root of this machine", Judgement{Verdict: WrongIssuer, MachineRoot: true, NamesHost: true}, true, true},
		{"unfit", Judgement{Verdict: Unfit, Authentic: true}, false, false},
		{"expired", Judgement{Verdict: Expired, Authentic: true}, false, false},
		{"unrooted", Judgement{Verdict: Unrooted, NamesHost: true}, false, false},
		{"good", Judgement{Authentic: true, NamesHost: true}, false, false},
		{"nothing seen", Judgement{}, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.j.ProvesInterception(false); got != test.current {
				t.Errorf("at a current address: %v", got)
			}
			if got := test.j.ProvesInterception(true); got != test.withdrawn {
				t.Errorf("at a withdrawn address: %v", got)
			}
		})
	}
}

// FuzzJudge judges any bytes as leaf and as intermediate, by each kind of anchor.
func FuzzJudge(f *testing.F) {
	arm := mint(f, nil, spec{subject: named(f, "ARM Bootstrap CA"), ca: true})
	name := must[Name](f)(ParseName(armName))
	pool := poolOf(arm)
	anchors := func(t testing.TB) []*Anchor { // new ones each time: what they remember would change the coverage of the next input
		return []*Anchor{
			must[*Anchor](t)(NewKey(name, spki(t, arm))),
			must[*Anchor](t)(NewKey(nil, spki(t, arm))),
			must[*Anchor](t)(NewCAs(nil, inPEM(arm))),
			NewRoots(pool),
			NewPublicRoots(pool, func() *x509.CertPool { return pool }),
		}
	}
	issuing := mint(f, arm, spec{subject: named(f, "Issuing CA"), ca: true})
	f.Add(mint(f, arm, spec{names: []string{"a.example"}}).cert.Raw, arm.cert.Raw)
	f.Add(mint(f, issuing, spec{names: []string{"a.example"}}).cert.Raw, issuing.cert.Raw)
	f.Add(mint(f, arm, spec{issuerName: der(f)}).cert.Raw, []byte{})
	f.Add(reissued(f, arm, mint(f, arm, spec{}), negative(f))[0], []byte{})
	f.Add(mint(f, arm, spec{issuerName: der(f, rdn(coded(oidCN, asn1.TagBMPString, "\x00A\x00\x00")))}).cert.Raw, []byte{})
	f.Fuzz(func(t *testing.T, leaf, above []byte) {
		signed := func(der []byte) bool { return devicecert.Parse(der).SignedBy(arm.cert.PublicKey) }
		for _, client := range []measurement.Client{measurement.Device, measurement.Web} {
			for _, a := range anchors(t) {
				j := a.Judge(Subject{Chain: [][]byte{leaf, above}, Client: client, KeyProved: true, Host: "a.example", Now: now})
				if j.Authentic && !signed(leaf) && !signed(above) {
					t.Fatalf("authentic without a signature: %+v", j)
				}
				if j.Verdict == Good && !j.Authentic || j.Verdict != Good && j.Detail.Kind == "" {
					t.Fatalf("incomplete: %+v", j)
				}
				for _, s := range []string{j.Issuer, j.Subject, j.Detail.Text, j.Expected} {
					if s != measurement.Text(s) {
						t.Fatalf("unsafe text %q", s)
					}
				}
			}
		}
	})
}

// TestJudgeIsBounded sends lists that are made to cost much: look-alikes of which each may have signed each other,
// and keys with which a signature takes seconds.
func TestJudgeIsBounded(t *testing.T) {
	anchor := must[*Anchor](t)(NewKey(must[Name](t)(ParseName("CN=Root")), spki(t, mint(t, nil, spec{ca: true}))))
	name := named(t, "Look-alike")
	parent := mint(t, nil, spec{subject: name, ca: true})
	var sent [][]byte
	for i := range 3 * measurement.MaxChain {
		sent = append(sent, chain(mint(t, parent, spec{subject: name, ca: true, key: parent.key, from: -time.Duration(30+i) * day, to: -time.Duration(1+i%20) * day}))...)
	}
	for _, a := range []*Anchor{anchor, NewRoots(poolOf(mint(t, nil, spec{subject: named(t, "Root"), ca: true})))} {
		for _, client := range []measurement.Client{measurement.Device, measurement.Web} {
			want := Unfit // not every signature is checked
			if a.Web() {
				want = WrongIssuer
			}
			if j := a.Judge(Subject{Chain: sent, Client: client, KeyProved: true, Now: now}); j.Verdict != want {
				t.Errorf("verdict %q, want %q", j.Verdict, want)
			}
		}
	}
	s := anchor.newSearch(devicecert.ParseList(sent))
	if s.authentic(0) || s.checksLeft != 0 || !s.incomplete || len(anchor.signatures.good) > maxCached {
		t.Errorf("%d checks left, %d signatures cached", s.checksLeft, len(anchor.signatures.good))
	}
	var parsed []*x509.Certificate
	for _, der := range sent[:12] {
		parsed = append(parsed, must[*x509.Certificate](t)(x509.ParseCertificate(der)))
	}
	if got := moments(parsed, now); len(got) > 2 {
		t.Errorf("%d moments", len(got))
	}
}

// TestJudgeSignaturesNotChecked judges lists of which only a part of the signatures is checked. What is not checked
// proves no interception. A list of the length that real servers send is always checked completely.
func TestJudgeSignaturesNotChecked(t *testing.T) {
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	inspector := mint(t, nil, spec{subject: der(t, rdn(attr(oidCN, "SSLInspect"))), ca: true})
	forger := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	name := named(t, "Issuing CA")
	first := mint(t, arm, spec{subject: name, ca: true})
	decoys := func(n int) (list []*authority) { // each may have signed every other
		for range n {
			list = append(list, mint(t, inspector, spec{subject: name, ca: true, issuerName: name}))
		}
		return list
	}
	// Ten CAs with one key, each of which signed the others; the anchor signed the last one.
	var signers []*authority
	for range 10 {
		signers = append(signers, mint(t, first, spec{subject: name, ca: true, key: first.key}))
	}
	signers = append(signers, first)
	leaf := mint(t, first, spec{})
	var roots []*authority
	for i := range 140 {
		roots = append(roots, mint(t, nil, spec{subject: named(t, fmt.Sprint("Root ", i)), ca: true}))
	}
	byKey := must[*Anchor](t)(NewKey(must[Name](t)(ParseName(armName)), spki(t, arm)))
	byFile := must[*Anchor](t)(NewCAs(nil, inPEM(arm)))
	byMany := must[*Anchor](t)(NewCAs(nil, inPEM(append(roots, arm)...)))
	for name, test := range map[string]struct {
		anchor *Anchor
		list   []*authority
		want   Verdict
	}{
		"key: the anchor signed, found too late":         {byKey, slices.Concat([]*authority{leaf}, decoys(10), signers), Unfit},
		"file: the anchor signed, found too late":        {byFile, slices.Concat([]*authority{leaf}, decoys(10), signers), Unfit},
		"file: 20 decoys, a leaf of one of them":         {byFile, slices.Concat([]*authority{mint(t, inspector, spec{issuerName: name})}, decoys(20)), Unfit},
		"file: 8 CAs, another authority":                 {byFile, slices.Concat([]*authority{mint(t, inspector, spec{issuerName: name})}, decoys(8)), WrongIssuer},
		"file: 8 CAs, the right name and a wrong key":    {byFile, slices.Concat([]*authority{mint(t, forger, spec{})}, decoys(8)), ForgedIssuer},
		"file of 141: 2 CAs, another authority":          {byMany, []*authority{mint(t, inspector, spec{}), inspector, roots[0]}, WrongIssuer},
		"file of 141: 2 CAs, the right name, wrong key":  {byMany, []*authority{mint(t, forger, spec{}), inspector, roots[0]}, ForgedIssuer},
		"file of 141: 8 CAs, another authority":          {byMany, slices.Concat([]*authority{mint(t, inspector, spec{issuerName: name})}, decoys(8)), WrongIssuer},
		"file of 141: the last one signed the issuer CA": {byMany, []*authority{leaf, inspector, first}, Good},
	} {
		t.Run(name, func(t *testing.T) {
			for _, client := range []measurement.Client{measurement.Device, measurement.Web} {
				j := test.anchor.Judge(Subject{Chain: chain(test.list...), Client: client, KeyProved: true, SignatureChecked: true, Now: now})
				if j.Verdict != test.want || j.ProvesInterception(false) != (test.want == WrongIssuer || test.want == ForgedIssuer) {
					t.Errorf("%s: verdict %q (%+v), want %q", client, j.Verdict, j.Detail, test.want)
				}
			}
		})
	}
}

// TestHugeRSAKeysCostNothing uses keys of 16384 bits: no signature is ever checked with them.
func TestHugeRSAKeysCostNothing(t *testing.T) {
	huge := &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 16383), big.NewInt(1)), E: 65537}
	der, err := x509.MarshalPKIXPublicKey(huge)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewKey(nil, der); err == nil || err.Error() != "the RSA key is larger than 8192 bits" {
		t.Errorf("as an anchor: %v", err)
	}
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	if hasBoundedCost(huge) || !hasBoundedCost(arm.cert.PublicKey) {
		t.Error("the bound of keys")
	}
	if c := devicecert.Parse(arm.cert.Raw); c.SignedBy(huge) {
		t.Error("as a signer")
	}
}
