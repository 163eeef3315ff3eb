//go:build realpeers

package oracle

import (
	"net/netip"
	"strings"
	"testing"
)

// peers is the table.
func (b *bench) peers(t testing.TB) []*peer {
	t.Helper()
	var rows []*peer
	add := func(p *peer, overUDP bool) {
		rows = append(rows, p)
		if overUDP {
			also := *p
			also.udp = true
			rows = append(rows, &also)
		}
	}
	for _, s := range append(b.minter.leaves(), b.minter.chains()...) {
		add(b.scripted(s.set, s.name, &script{key: s.key, chain: s.chain}), s.overUDP)
	}
	for _, s := range b.minter.anchors() {
		p := b.scripted("anchor", s.name, &script{chain: s.chain})
		p.ca, p.fileOnly = s.ca, !s.byKey
		add(p, false)
	}
	for _, h := range b.handshakes() {
		p := b.scripted(h.set, h.name, h.script)
		add(p, h.overUDP)
	}
	for _, h := range b.datagramHandshakes() {
		p := b.scripted(h.set, h.name, h.script)
		p.udp, p.withoutCID = true, h.withoutCID
		add(p, false)
	}
	for _, p := range b.mutatedRows(t) {
		add(p, false)
	}
	for _, p := range b.realRows() {
		add(p, false)
	}
	seen := make(map[string]bool)
	for _, p := range rows {
		if seen[p.row()] {
			t.Fatalf("two rows have the name %s", p.row())
		}
		seen[p.row()] = true
		p.patience, p.ping = patience, pingPatience
		if *update || strings.HasSuffix(b.recorded[p.row()], " ping=answered") {
			p.ping = patience
		}
		p.refuses = strings.HasSuffix(p.name, "client certificate refused") || p.script != nil && p.script.refuse != 0
		if strings.HasPrefix(b.recorded[p.row()], "handshake=timeout ") {
			p.patience = shortPatience
		}
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
	p := &peer{set: set, name: name, script: s}
	p.serve = func(t testing.TB, on netip.Addr, udp bool) netip.AddrPort {
		if udp {
			return listenUDP(t, on, s)
		}
		return listenTCP(t, on, s)
	}
	return p
}
