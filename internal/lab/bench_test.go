package lab

import "testing"

// BenchmarkStart shows what a lab of a thousand paths costs before anything is measured against it.
func BenchmarkStart(b *testing.B) {
	for _, transport := range []string{"tcp", "udp"} {
		b.Run(transport, func(b *testing.B) {
			for b.Loop() {
				l, err := Start(b.Context(), Options{Hosts: Many(1000, transport)})
				if err != nil {
					b.Fatal(err)
				}
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
