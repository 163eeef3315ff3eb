//go:build realpeers

package oracle

import (
	"crypto"
	"net/netip"
	"testing"
)

// peers is the table.
func (b *bench) peers(t testing.TB) []*peer {
	t.Helper()
	var rows []*peer
	for _, s := range append(b.minter.leaves(), b.minter.chains()...) {
		rows = append(rows, b.shows(s.set, s.name, s.key, s.chain...))
	}
	for _, s := range b.minter.anchors() {
		p := b.shows("anchor", s.name, nil, s.chain...)
		p.ca, p.fileOnly = s.ca, !s.byKey
		rows = append(rows, p)
	}
	seen := make(map[string]bool)
	for _, p := range rows {
		if seen[p.row()] {
			t.Fatalf("two rows have the name %s", p.row())
		}
		seen[p.row()] = true
	}
	return rows
}

// scripted is a row whose server runs a script.
func (b *bench) scripted(set, name string, s *script) *peer {
	if s.key == nil {
		s.key = b.minter.leaf
	}
	if s.chain == nil {
		s.chain = [][]byte{b.minter.leafCert().encode()}
	}
	return &peer{set: set, name: name, serve: func(t testing.TB, on netip.Addr) netip.AddrPort { return listenTCP(t, on, s) }}
}

// shows is a row whose server sends these certificates and has this key.
func (b *bench) shows(set, name string, key crypto.Signer, chain ...[]byte) *peer {
	return b.scripted(set, name, &script{chain: chain, key: key})
}
