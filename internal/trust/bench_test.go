package trust

import (
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// BenchmarkJudge judges the same list in each round, as a site does.
func BenchmarkJudge(b *testing.B) {
	arm := mint(b, nil, spec{subject: named(b, "ARM Bootstrap CA"), ca: true})
	issuing := mint(b, arm, spec{subject: named(b, "Issuing CA"), ca: true})
	anchor := must[*Anchor](b)(NewKey(must[Name](b)(ParseName(armName)), spki(b, arm)))
	for name, list := range map[string][][]byte{
		"leaf":            chain(mint(b, arm, spec{names: []string{"a.example"}})),
		"leaf and issuer": chain(mint(b, issuing, spec{names: []string{"a.example"}}), issuing),
	} {
		b.Run(name, func(b *testing.B) {
			s := Subject{Chain: list, Client: measurement.Device, KeyProved: true, SignatureChecked: true, Host: "a.example", Now: now}
			for b.Loop() {
				if j := anchor.Judge(s); j.Verdict != Good {
					b.Fatalf("%+v", j)
				}
			}
		})
	}
}
