package trust

import (
	"crypto/x509"
	"slices"
	"testing"
)

func TestALeafIsRememberedByAllOfItsBytes(t *testing.T) {
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	anchor := must[*Anchor](t)(NewKey(must[Name](t)(ParseName(armName)), spki(t, arm)))
	leaf := chain(mint(t, arm, spec{}))[0]
	for range 2 {
		if j := anchor.Judge(Subject{Chain: []*x509.Certificate{leaf}, KeyProved: true, Now: leaf.NotBefore}); !j.Authentic {
			t.Fatalf("the authority's own leaf: %q (%s)", j.Verdict, j.Detail.Text)
		}
	}
	forged := *leaf
	forged.Raw, forged.Signature = slices.Clone(leaf.Raw), slices.Clone(leaf.Signature)
	forged.Raw[len(forged.Raw)-1] ^= 1
	forged.Signature[len(forged.Signature)-1] ^= 1
	if j := anchor.Judge(Subject{Chain: []*x509.Certificate{&forged}, KeyProved: true, Now: leaf.NotBefore}); j.Verdict != ForgedIssuer {
		t.Errorf("the same leaf with another signature: %q", j.Verdict)
	}
	if n := len(anchor.verified.leaves); n != 1 {
		t.Errorf("%d leaves are remembered", n)
	}
}

func TestTheMemoryOfLeavesIsBounded(t *testing.T) {
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	leaf := chain(mint(t, arm, spec{}))[0]
	var v verified
	for i := range 3 * maxVerified {
		other := *leaf
		other.Raw = append(slices.Clone(leaf.Raw), byte(i), byte(i>>8)) // what is signed stays the same
		if err := v.signed(arm.cert, &other); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(v.leaves); n > maxVerified {
		t.Errorf("%d leaves are remembered", n)
	}
}
