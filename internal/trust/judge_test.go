package trust

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

const armName = "C=GB, O=ARM Ltd, CN=ARM Bootstrap CA"

func TestEveryVerdict(t *testing.T) {
	name := must[Name](t)(ParseName(armName))
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	forger := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	inspector := mint(t, nil, spec{subject: der(t, rdn(attr(oidCN, "SSLInspect"))), ca: true})
	subCA := mint(t, arm, spec{subject: named(t, "Issuing CA"), ca: true})
	oldSubCA := mint(t, arm, spec{subject: named(t, "Old Issuing CA"), ca: true, from: -10 * day, to: -day})
	forgedSubCA := mint(t, forger, spec{subject: named(t, "Issuing CA"), ca: true})
	rsaCA := mint(t, nil, spec{subject: named(t, "RSA CA"), ca: true, key: newRSAKey(t)})
	edCA := mint(t, nil, spec{subject: named(t, "Ed CA"), ca: true, key: newEd25519Key(t)})
	unmarked := mint(t, nil, spec{subject: named(t, "Unmarked CA")})

	leaf := mint(t, arm, spec{names: []string{"a.example"}})
	expired := mint(t, arm, spec{from: -30 * day, to: -day, names: []string{"a.example"}})
	early := mint(t, arm, spec{from: day, names: []string{"a.example"}})
	subLeaf := mint(t, subCA, spec{names: []string{"a.example"}})

	receipt := append([]byte{0}, make([]byte, 32+8+4)...) // version 1, log, time, and the rest
	list := append([]byte{0, byte(2 + len(receipt)), 0, byte(len(receipt))}, receipt...)
	receipts := []pkix.Extension{{Id: timestamps, Value: append([]byte{4, byte(len(list))}, list...)}}
	noReceipts := []pkix.Extension{{Id: timestamps, Value: []byte{4, 2, 0, 0}}}
	unheardOf := []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 2}, Critical: true, Value: []byte{5, 0}}}
	upperCA := mint(t, arm, spec{subject: named(t, "Upper CA"), ca: true})
	lowerCA := mint(t, upperCA, spec{subject: named(t, "Lower CA"), ca: true})
	webLeaf := mint(t, lowerCA, spec{names: []string{"a.example"}, extra: receipts})

	byKey := must[*Anchor](t)(NewKey(name, spki(t, arm)))
	byKeyOnly := must[*Anchor](t)(NewKey(nil, spki(t, arm)))
	byRSAKey := must[*Anchor](t)(NewKey(nil, spki(t, rsaCA)))
	byEdKey := must[*Anchor](t)(NewKey(nil, spki(t, edCA)))
	byFile := must[*Anchor](t)(NewCAs(nil, inPEM(arm)))
	byFileNamed := must[*Anchor](t)(NewCAs(name, inPEM(arm, inspector)))
	bySelf := must[*Anchor](t)(NewCAs(nil, inPEM(unmarked)))
	byRoots := NewRoots(poolOf(arm))

	tests := []struct {
		name    string
		anchor  *Anchor
		chain   []*x509.Certificate
		replay  bool
		host    string
		at      time.Duration
		verdict Verdict
		detail  string // a part of it
	}{
		{name: "key: the authority's leaf", anchor: byKey, chain: chain(leaf)},
		{name: "key: an inspecting firewall", anchor: byKey, chain: chain(mint(t, inspector, spec{})), verdict: WrongIssuer, detail: "another issuer is named"},
		{name: "key: the right name and a wrong key", anchor: byKey, chain: chain(mint(t, forger, spec{})), verdict: ForgedIssuer, detail: "its signature is not"},
		{name: "key: the right key and another name", anchor: byKey, chain: chain(mint(t, arm, spec{issuerName: named(t, "Other")})), verdict: WrongIssuer},
		{name: "key: the true certificate replayed", anchor: byKey, chain: chain(leaf), replay: true, verdict: KeyNotProved, detail: "did not sign"},
		{name: "key: wrong issuer outweighs a missing proof", anchor: byKey, chain: chain(mint(t, inspector, spec{})), replay: true, verdict: WrongIssuer},
		{name: "key: expired", anchor: byKey, chain: chain(expired), verdict: Expired, detail: "2026-11-23T12:00:00Z"},
		{name: "key: not yet valid", anchor: byKey, chain: chain(early), verdict: NotYetValid, detail: "2026-11-25T12:00:00Z"},
		{name: "key: an expired replay is a replay", anchor: byKey, chain: chain(expired), replay: true, verdict: KeyNotProved},
		{name: "key: valid at its last second", anchor: byKey, chain: chain(leaf), at: 90 * day},
		{name: "key: expired a second later", anchor: byKey, chain: chain(leaf), at: 90*day + time.Second, verdict: Expired},
		{name: "key: a device compares no name", anchor: byKey, chain: chain(leaf), host: ""},
		{name: "key: issuer in another string type and case", anchor: byKey,
			chain: chain(mint(t, arm, spec{issuerName: der(t, rdn(coded(oidC, asn1.TagUTF8String, "GB")), rdn(coded(oidO, asn1.TagUTF8String, "arm  ltd")), rdn(coded(oidCN, asn1.TagUTF8String, "ARM Bootstrap CA")))}))},
		{name: "key: issuer in another order", anchor: byKey,
			chain: chain(mint(t, arm, spec{issuerName: der(t, rdn(attr(oidCN, "ARM Bootstrap CA")), rdn(attr(oidO, "ARM Ltd")), rdn(attr(oidC, "GB")))}))},
		{name: "key: issuer with its RDNs joined into one is another name", anchor: byKey, verdict: WrongIssuer,
			chain: chain(mint(t, arm, spec{issuerName: der(t, rdn(attr(oidC, "GB"), attr(oidO, "ARM Ltd"), attr(oidCN, "ARM Bootstrap CA")))}))},
		{name: "key: issuer with a NUL at its end is another name", anchor: byKey, verdict: WrongIssuer,
			chain: chain(mint(t, arm, spec{issuerName: der(t, rdn(attr(oidC, "GB")), rdn(attr(oidO, "ARM Ltd")), rdn(coded(oidCN, asn1.TagUTF8String, "ARM Bootstrap CA\x00")))}))},
		{name: "key: what a certificate may be used for is another question", anchor: byKey, chain: chain(mint(t, arm, spec{usage: x509.KeyUsageCertSign, extended: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}))},
		{name: "key: certificate for servers", anchor: byKey, chain: chain(mint(t, arm, spec{usage: x509.KeyUsageDigitalSignature, extended: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}))},
		{name: "key without name: the authority's leaf", anchor: byKeyOnly, chain: chain(leaf)},
		{name: "key without name: another key", anchor: byKeyOnly, chain: chain(mint(t, forger, spec{})), verdict: WrongIssuer, detail: "another key"},
		{name: "key without name: another kind of key", anchor: byKeyOnly, chain: chain(mint(t, rsaCA, spec{})), verdict: WrongIssuer},
		{name: "RSA key", anchor: byRSAKey, chain: chain(mint(t, rsaCA, spec{}))},
		{name: "RSA key: signed by another", anchor: byRSAKey, chain: chain(leaf), verdict: WrongIssuer},
		{name: "Ed25519 key", anchor: byEdKey, chain: chain(mint(t, edCA, spec{}))},

		{name: "file: leaf alone", anchor: byFile, chain: chain(leaf)},
		{name: "file: leaf and intermediate", anchor: byFile, chain: chain(subLeaf, subCA)},
		{name: "file: intermediate not sent", anchor: byFile, chain: chain(subLeaf), verdict: WrongIssuer},
		{name: "file: root sent too", anchor: byFile, chain: chain(subLeaf, subCA, arm)},
		{name: "file: an inspecting firewall", anchor: byFile, chain: chain(mint(t, inspector, spec{}), inspector), verdict: WrongIssuer},
		{name: "file: the right name and a wrong key", anchor: byFile, chain: chain(mint(t, forger, spec{})), verdict: ForgedIssuer},
		{name: "file: the same with its false root sent", anchor: byFile, chain: chain(mint(t, forger, spec{}), forger), verdict: ForgedIssuer},
		{name: "file: a forged intermediate", anchor: byFile, chain: chain(mint(t, forgedSubCA, spec{}), forgedSubCA), verdict: ForgedIssuer},
		{name: "file: expired", anchor: byFile, chain: chain(expired), verdict: Expired},
		{name: "file: not yet valid", anchor: byFile, chain: chain(early), verdict: NotYetValid},
		{name: "file: expired intermediate", anchor: byFile, chain: chain(mint(t, oldSubCA, spec{from: -5 * day}), oldSubCA), verdict: Expired, detail: "above the server's"},
		{name: "file: replay", anchor: byFile, chain: chain(leaf), replay: true, verdict: KeyNotProved},
		{name: "file with name: another CA of the file", anchor: byFileNamed, chain: chain(mint(t, inspector, spec{})), verdict: WrongIssuer},
		{name: "file: issuer in another string type", anchor: byFile, detail: "by its signature alone",
			chain: chain(mint(t, arm, spec{issuerName: der(t, rdn(attr(oidC, "GB")), rdn(attr(oidO, "ARM Ltd")), rdn(coded(oidCN, asn1.TagUTF8String, "ARM Bootstrap CA")))}))},
		{name: "file: a server's own certificate", anchor: bySelf, chain: chain(unmarked)},
		{name: "file: an authority without the CA flag", anchor: bySelf, chain: chain(mint(t, unmarked, spec{})), detail: "by its signature alone"},

		{name: "roots: leaf and intermediate", anchor: byRoots, chain: chain(subLeaf, subCA), host: "a.example"},
		{name: "roots: unknown authority", anchor: byRoots, chain: chain(mint(t, inspector, spec{names: []string{"a.example"}}), inspector), host: "a.example", verdict: WrongIssuer},
		{name: "roots: another name", anchor: byRoots, chain: chain(leaf), host: "b.example", verdict: WrongName, detail: "b.example"},
		{name: "roots: expired outweighs another name", anchor: byRoots, chain: chain(expired), host: "b.example", verdict: Expired},
		{name: "roots: expired", anchor: byRoots, chain: chain(expired), host: "a.example", verdict: Expired},
		{name: "roots: an intermediate that is left out", anchor: byRoots, chain: chain(webLeaf), host: "a.example", verdict: Unrooted},
		{name: "roots: the upper intermediate is left out", anchor: byRoots, chain: chain(webLeaf, lowerCA), host: "a.example", verdict: Unrooted},
		{name: "roots: the root is sent in the intermediate's stead", anchor: byRoots, chain: chain(webLeaf, arm), host: "a.example", verdict: Unrooted},
		{name: "roots: an intermediate that is left out, by one who lacks the key", anchor: byRoots, chain: chain(webLeaf), replay: true, host: "a.example", verdict: KeyNotProved},
		{name: "roots: an intermediate that is left out, and a list of no receipts", anchor: byRoots,
			chain: chain(mint(t, lowerCA, spec{names: []string{"a.example"}, extra: noReceipts})), host: "a.example", verdict: WrongIssuer},
		{name: "roots: nothing is left out", anchor: byRoots, chain: chain(webLeaf, lowerCA, upperCA), host: "a.example"},
		{name: "roots: left out, by one who has no receipts of logs", anchor: byRoots, chain: chain(subLeaf), host: "a.example", verdict: WrongIssuer},
		{name: "roots: an inspecting firewall that copies the receipts and shows its root", anchor: byRoots,
			chain: chain(mint(t, inspector, spec{names: []string{"a.example"}, extra: receipts}), inspector), host: "a.example", verdict: WrongIssuer},
		{name: "roots: a critical extension that nobody knows", anchor: byRoots, chain: chain(mint(t, arm, spec{names: []string{"a.example"}, extra: unheardOf})), host: "a.example"},
		{name: "roots: the same by an inspecting firewall", anchor: byRoots, chain: chain(mint(t, inspector, spec{names: []string{"a.example"}, extra: unheardOf})), host: "a.example", verdict: WrongIssuer},
		{name: "file: receipts, but another authority", anchor: byFile, chain: chain(mint(t, inspector, spec{extra: receipts})), verdict: WrongIssuer},
		{name: "roots: a leaf that plays authority", anchor: byRoots, chain: chain(mint(t, leaf, spec{names: []string{"a.example"}}), leaf), host: "a.example", verdict: WrongIssuer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := tt.anchor.Judge(Subject{Chain: tt.chain, KeyProved: !tt.replay, Host: tt.host, Now: now.Add(tt.at)})
			if j.Verdict != tt.verdict || !strings.Contains(j.Detail.Text, tt.detail) {
				t.Errorf("verdict %q (%s), want %q (…%s…)", j.Verdict, j.Detail.Text, tt.verdict, tt.detail)
			}
			authentic := tt.verdict == Good || tt.verdict == Expired || tt.verdict == NotYetValid || tt.verdict == WrongName
			if j.Authentic != authentic {
				t.Errorf("authentic %v, want %v", j.Authentic, authentic)
			}
			if !j.Seen || len(j.PublicKeySHA256) != 64 || !j.NotAfter.Equal(tt.chain[0].NotAfter) || j.Expected == "" {
				t.Errorf("what was seen is not told: %+v", j)
			}
			if tt.verdict != Good && j.Detail.Text == "" {
				t.Error("a bad verdict without a detail")
			}
		})
	}
}

func TestNoCertificateIsNoJudgement(t *testing.T) {
	anchor := NewRoots(poolOf())
	for _, c := range [][]*x509.Certificate{nil, {}, {nil}} {
		if got := anchor.Judge(Subject{Chain: c, KeyProved: true, Now: now}); got != (Judgement{}) {
			t.Errorf("judged %+v", got)
		}
	}
}

func TestWhatIsShown(t *testing.T) {
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	leaf := mint(t, arm, spec{subject: der(t, rdn(attr(oidCN, "evil\x1b[2J, O=ARM Ltd"), attr(oidO, strings.Repeat("x", 300))))})
	j := must[*Anchor](t)(NewCAs(nil, inPEM(arm))).Judge(Subject{Chain: chain(leaf), KeyProved: true, Now: now})
	if j.Issuer != armName || j.Expected != armName {
		t.Errorf("issuer %q, expected %q, want both %q", j.Issuer, j.Expected, armName)
	}
	if !strings.Contains(j.Subject, `CN=evil\1b[2J\, O\=ARM Ltd`) && !strings.HasPrefix(j.Subject, "O=xxx") {
		t.Errorf("subject %q", j.Subject)
	}
	if len(j.Subject) > measurement.MaxText || !utf8.ValidString(j.Subject) {
		t.Errorf("subject of %d bytes", len(j.Subject))
	}
}

func TestAnchorsThatCannotBe(t *testing.T) {
	ca := mint(t, nil, spec{subject: named(t, "CA"), ca: true})
	if _, err := NewKey(nil, []byte("no key")); err == nil || !strings.Contains(err.Error(), "SubjectPublicKeyInfo") {
		t.Errorf("no key: %v", err)
	}
	if _, err := NewKey(nil, append(spki(t, ca), 0)); err == nil {
		t.Error("data after the key was taken")
	}
	if _, err := NewCAs(nil, []byte("nothing")); err == nil || err.Error() != "no certificate in PEM" {
		t.Errorf("no PEM: %v", err)
	}
	broken := append(inPEM(ca), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")...)
	if _, err := NewCAs(nil, broken); err == nil || !strings.HasPrefix(err.Error(), "parse certificate 2: ") {
		t.Errorf("second certificate broken: %v", err)
	}
}

// FuzzJudge feeds whatever x509 can parse as leaf and as intermediate, judged by each kind of anchor.
func FuzzJudge(f *testing.F) {
	arm := mint(f, nil, spec{subject: named(f, "ARM Bootstrap CA"), ca: true})
	name := must[Name](f)(ParseName(armName))
	anchors := []*Anchor{
		must[*Anchor](f)(NewKey(name, spki(f, arm))),
		must[*Anchor](f)(NewKey(nil, spki(f, arm))),
		must[*Anchor](f)(NewCAs(nil, inPEM(arm))),
		NewRoots(poolOf(arm)),
	}
	f.Add(mint(f, arm, spec{names: []string{"a.example"}}).cert.Raw, arm.cert.Raw)
	f.Add(mint(f, arm, spec{issuerName: der(f)}).cert.Raw, []byte{})
	f.Add(mint(f, arm, spec{issuerName: der(f, rdn(coded(oidCN, asn1.TagBMPString, "\x00A\x00\x00")))}).cert.Raw, []byte{})
	f.Fuzz(func(t *testing.T, leaf, above []byte) {
		first, err := x509.ParseCertificate(leaf)
		if err != nil {
			return
		}
		sent := []*x509.Certificate{first}
		if second, err := x509.ParseCertificate(above); err == nil {
			sent = append(sent, second)
		}
		for _, a := range anchors {
			j := a.Judge(Subject{Chain: sent, KeyProved: true, Host: "a.example", Now: now})
			if j.Authentic && signs(arm.cert, first) != nil && (len(sent) == 1 || signs(arm.cert, sent[1]) != nil) {
				t.Fatalf("authentic without a signature: %+v", j)
			}
			for _, s := range []string{j.Issuer, j.Subject, j.Detail.Text, j.Expected} {
				if s != measurement.Text(s) {
					t.Fatalf("unsafe text %q", s)
				}
			}
		}
	})
}

// TestHugeRSAKeysCostNothing uses keys of 16384 bits that nobody can have made: no signature is ever checked with them.
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
	sent := *arm.cert
	sent.PublicKey, sent.PublicKeyAlgorithm = huge, x509.RSA
	if err := signs(&sent, arm.cert); err == nil || err.Error() != "the RSA key is larger than 8192 bits" {
		t.Errorf("as a signer: %v", err)
	}
	other := mint(t, nil, spec{subject: named(t, "Other"), ca: true})
	anchor := must[*Anchor](t)(NewCAs(nil, inPEM(other)))
	leaf := mint(t, arm, spec{})
	if j := anchor.Judge(Subject{Chain: []*x509.Certificate{leaf.cert, &sent}, KeyProved: true, Now: now}); j.Verdict != WrongIssuer {
		t.Errorf("as an intermediate: %+v", j)
	}
}

// TestAHostileChainIsSearchedBoundedly holds the work that somebody's chain of look-alikes causes: at most two moments, and
// few certificates.
func TestAHostileChainIsSearchedBoundedly(t *testing.T) {
	anchor := NewRoots(poolOf(mint(t, nil, spec{subject: named(t, "Root"), ca: true})))
	var sent []*x509.Certificate
	name := named(t, "Look-alike")
	parent := mint(t, nil, spec{subject: name, ca: true})
	for i := range 12 {
		sent = append(sent, chain(mint(t, parent, spec{subject: name, ca: true, from: -time.Duration(30+i) * day, to: time.Duration(1+i) * day}))...)
	}
	if got := moments(sent, now); len(got) > 2 {
		t.Errorf("%d moments", len(got))
	}
	if j := anchor.Judge(Subject{Chain: sent, KeyProved: true, Now: now}); j.Verdict != WrongIssuer {
		t.Errorf("verdict %q", j.Verdict)
	}
}

// TestALeafSignedWithSHA224IsTheAuthoritys: package x509 cannot make one, so that the signature of another is replaced.
func TestALeafSignedWithSHA224IsTheAuthoritys(t *testing.T) {
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	forger := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	anchor := must[*Anchor](t)(NewKey(must[Name](t)(ParseName(armName)), spki(t, arm)))
	for by, want := range map[*authority]Verdict{arm: Good, forger: ForgedIssuer} {
		leaf := *mint(t, arm, spec{}).cert
		sum := sha256.Sum224(leaf.RawTBSCertificate)
		leaf.SignatureAlgorithm = x509.UnknownSignatureAlgorithm
		leaf.Signature = must[[]byte](t)(by.key.Sign(rand.Reader, sum[:], crypto.SHA224))
		if j := anchor.Judge(Subject{Chain: []*x509.Certificate{&leaf}, KeyProved: true, Now: now}); j.Verdict != want {
			t.Errorf("verdict %q (%s), want %q", j.Verdict, j.Detail.Text, want)
		}
	}
}
