package trust

import (
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestSignatureCacheKnowsAllBytesOfACertificate(t *testing.T) {
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	anchor := must[*Anchor](t)(NewKey(must[Name](t)(ParseName(armName)), spki(t, arm)))
	leaf := mint(t, arm, spec{}).cert.Raw
	subject := Subject{Chain: [][]byte{leaf}, Client: measurement.Device, KeyProved: true, SignatureChecked: true, Now: now}
	for range 2 {
		if j := anchor.Judge(subject); !j.Authentic {
			t.Fatalf("the authority's own leaf: %q (%+v)", j.Verdict, j.Detail)
		}
	}
	forged := slices.Clone(leaf)
	forged[len(forged)-1] ^= 1 // of the signature
	subject.Chain = [][]byte{forged}
	if j := anchor.Judge(subject); j.Verdict != ForgedIssuer {
		t.Errorf("the same leaf with another signature: %q", j.Verdict)
	}
	if n := len(anchor.signatures.good); n != 1 {
		t.Errorf("%d signatures are cached", n)
	}
	subject.Chain, subject.KeyProved = [][]byte{leaf}, false
	if j := anchor.Judge(subject); j.Verdict != KeyNotProved {
		t.Errorf("a cached leaf without its key: %q", j.Verdict)
	}
}

func TestSignatureCacheKnowsTheKey(t *testing.T) {
	arm, other := mint(t, nil, spec{ca: true}), mint(t, nil, spec{ca: true})
	var cache signatureCache
	leaf := devicecert.Parse(mint(t, arm, spec{}).cert.Raw)
	if !cache.signed(leaf, devicecert.Parse(arm.cert.Raw)) || cache.signed(leaf, devicecert.Parse(other.cert.Raw)) {
		t.Error("a signature is cached without its key")
	}
}

func TestSignatureCacheIsBounded(t *testing.T) {
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true})
	parent, leaf := devicecert.Parse(arm.cert.Raw), devicecert.Parse(mint(t, arm, spec{}).cert.Raw)
	var cache signatureCache
	for i := range 3 * maxCached {
		other := *leaf
		other.Raw = append(slices.Clone(leaf.Raw), byte(i), byte(i>>8)) // what is signed stays the same
		if !cache.signed(&other, parent) {
			t.Fatal("a good signature")
		}
	}
	if n := len(cache.good); n > maxCached {
		t.Errorf("%d signatures are cached", n)
	}
}
