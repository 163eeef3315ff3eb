//go:build realpeers

package oracle

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// mutation changes one thing of a server that shows a leaf and its issuing CA and finishes the handshake. at and value
// are taken modulo what there is to choose from, so that each mutation can be applied to each server.
type mutation struct {
	what, op  string
	at, value int
}

// The parts that can be changed, and how.
var mutations = map[string][]string{
	// An element of the signed part of a certificate, which is signed after the change.
	"leaf":    {"delete", "duplicate", "tag", "byte", "empty", "append", "swap", "shorten"},
	"issuing": {"delete", "duplicate", "tag", "byte", "empty", "append", "swap", "shorten"},
	// A message of the first or the second flight.
	"first":  {"delete", "duplicate", "type", "byte", "append", "swap", "shorten", "alert", "data", "ccs", "cut", "join"},
	"second": {"delete", "duplicate", "type", "append", "swap", "alert", "data", "ccs", "cut"},
	// The list of extensions of the ServerHello, and the length of a ticket.
	"hello":  {"extension", "empty"},
	"ticket": {"length"},
}

func (m mutation) String() string { return fmt.Sprintf("%s %s %d %d", m.what, m.op, m.at, m.value) }

// parseMutations reads a row of testdata/mutations without its transport.
func parseMutations(text string) ([]mutation, error) {
	var out []mutation
	for part := range strings.SplitSeq(text, "; ") {
		var m mutation
		if _, err := fmt.Sscanf(part, "%s %s %d %d", &m.what, &m.op, &m.at, &m.value); err != nil || !slices.Contains(mutations[m.what], m.op) {
			return nil, fmt.Errorf("%q is not a mutation", part)
		}
		out = append(out, m)
	}
	return out, nil
}

func textOf(list []mutation) string {
	var parts []string
	for _, m := range list {
		parts = append(parts, m.String())
	}
	return strings.Join(parts, "; ")
}

// drawMutations draws one to three.
func drawMutations(r *rand.Rand) []mutation {
	// Certificates are drawn more often than the rest: there is more of them.
	parts := []string{"leaf", "leaf", "leaf", "issuing", "issuing", "first", "first", "second", "hello", "ticket"}
	var out []mutation
	for range 1 + r.IntN(3) {
		what := parts[r.IntN(len(parts))]
		op := mutations[what][r.IntN(len(mutations[what]))]
		out = append(out, mutation{what, op, r.IntN(100), r.IntN(1 << 16)})
	}
	return out
}

// mutated is a row whose server is changed by mutations.
func (b *bench) mutated(udp bool, list []mutation) *peer {
	m := b.minter
	issuing := m.authorityCert("Issuing CA", m.issuing)
	leaf := m.leafCert().under(issuing, m.issuing)
	s := &script{}
	for _, change := range list {
		switch change.what {
		case "leaf":
			leaf.edits = append(leaf.edits, change.ofElement)
		case "issuing":
			issuing.edits = append(issuing.edits, change.ofElement)
		case "first":
			changeFlight(&s.first, &s.records, change)
		case "second":
			changeFlight(&s.final, &s.finalRecords, change)
		case "hello":
			before := s.hello
			s.hello = func(session *session, h *serverHello) {
				if before != nil {
					before(session, h)
				}
				if change.op == "empty" {
					h.extensions = slices.Delete(h.extensions, change.at%(len(h.extensions)+1), len(h.extensions))
					return
				}
				known := []uint16{0, 1, 4, 5, 10, 11, 13, 15, 16, 18, 22, 23, 35, 43, 51, 54, 254, 13172, 65281}
				h.add(known[change.at%len(known)], make([]byte, change.value%4)...)
			}
		case "ticket":
			s.ticket = ticket(change.value % 5000)
		}
	}
	s.chain = [][]byte{leaf.encode(), issuing.encode()}
	p := b.scripted("mutated", textOf(list), s)
	p.udp = udp
	return p
}

// element is a node of DER: constructed if children is not nil.
type element struct {
	tag      byte
	content  []byte
	children []*element
}

// parseElements reads a list of elements; ok is false if the bytes are something else. The content of an OCTET STRING
// is read too, since that is where extensions have theirs.
func parseElements(der []byte) (list []*element, ok bool) {
	for len(der) > 0 {
		if len(der) < 2 || der[0]&0x1f == 0x1f {
			return nil, false
		}
		length, header := int(der[1]), 2
		switch {
		case length == 0x81 && len(der) > 2:
			length, header = int(der[2]), 3
		case length == 0x82 && len(der) > 3:
			length, header = int(der[2])<<8|int(der[3]), 4
		case length >= 0x80:
			return nil, false
		}
		if len(der) < header+length {
			return nil, false
		}
		e := &element{tag: der[0], content: der[header : header+length]}
		if e.tag&0x20 != 0 || e.tag == tagOctetString {
			if children, ok := parseElements(e.content); ok && len(e.content) > 0 {
				e.children = children
			}
		}
		list = append(list, e)
		der = der[header+length:]
	}
	return list, true
}

func (e *element) encode() []byte {
	if e.children == nil {
		return tlv(e.tag, e.content)
	}
	return tlv(e.tag, encodeElements(e.children))
}

func encodeElements(list []*element) []byte {
	var out []byte
	for _, e := range list {
		out = append(out, e.encode()...)
	}
	return out
}

// ofElement changes one element of a certificate's signed part.
func (m mutation) ofElement(tbs []byte) []byte {
	roots, ok := parseElements(tbs)
	if !ok || len(roots) != 1 {
		return tbs // an earlier mutation left nothing that can be read
	}
	type place struct {
		parent *element
		n      int
	}
	var places []place
	var walk func(e *element)
	walk = func(e *element) {
		for i, child := range e.children {
			places = append(places, place{e, i})
			walk(child)
		}
	}
	walk(roots[0])
	if len(places) == 0 {
		return tbs
	}
	at := places[m.at%len(places)]
	siblings := at.parent.children
	e := siblings[at.n]
	leafOf := func(content []byte) { e.content, e.children = content, nil }
	content := e.content
	if e.children != nil {
		content = encodeElements(e.children)
	}
	switch m.op {
	case "delete":
		at.parent.children = slices.Delete(slices.Clone(siblings), at.n, at.n+1)
	case "duplicate":
		at.parent.children = slices.Insert(slices.Clone(siblings), at.n, e)
	case "swap":
		other := m.value % len(siblings)
		siblings[at.n], siblings[other] = siblings[other], siblings[at.n]
	case "tag":
		tags := []byte{1, 2, 3, 4, 5, 6, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1c, 0x1e, 0x30, 0x31, 0x80, 0x81, 0x82, 0x86, 0x87, 0xa0, 0xa3}
		e.tag = tags[m.value%len(tags)]
	case "byte":
		if len(content) > 0 {
			changed := slices.Clone(content)
			changed[(m.value>>8)%len(changed)] = byte(m.value)
			leafOf(changed)
		}
	case "empty":
		leafOf(nil)
	case "append":
		leafOf(append(slices.Clone(content), byte(m.value), byte(m.value>>8)&1))
	case "shorten":
		if len(content) > 0 {
			leafOf(content[:len(content)-1-m.value%min(len(content), 3)])
		}
	}
	return roots[0].encode()
}

// changeFlight changes a flight, or the records that carry it.
func changeFlight(flight *func(*session, []item) []item, records *func([]outgoing) []outgoing, m mutation) {
	if m.op == "cut" || m.op == "join" {
		before := *records
		*records = func(list []outgoing) []outgoing {
			if before != nil {
				list = before(list)
			}
			if m.op == "join" {
				return joined(list)
			}
			at := m.at % max(len(list), 1)
			if at < len(list) && len(list[at].body) > 1 && list[at].content == recordHandshake {
				return cutAt(at, 1+m.value%(len(list[at].body)-1))(list)
			}
			return list
		}
		return
	}
	before := *flight
	*flight = func(s *session, items []item) []item {
		if before != nil {
			items = before(s, items)
		}
		if len(items) == 0 {
			return items
		}
		at := m.at % len(items)
		changed := items[at]
		changed.body = slices.Clone(changed.body)
		switch m.op {
		case "delete":
			return slices.Delete(items, at, at+1)
		case "duplicate":
			return slices.Insert(items, at, items[at])
		case "swap":
			other := m.value % len(items)
			items[at], items[other] = items[other], items[at]
			return items
		case "alert":
			codes := []byte{closeNotify, unexpectedMessage, handshakeFailure, userCanceled, noRenegotiation}
			return slices.Insert(items, at, alert(1+byte(m.value&1), codes[(m.value>>1)%len(codes)]))
		case "data":
			return slices.Insert(items, at, record(recordData, make([]byte, m.value%20)))
		case "ccs":
			return slices.Insert(items, at, record(recordChangeCipherSpec, []byte{1}))
		case "type":
			changed.message = byte(m.value % 30)
		case "byte":
			if len(changed.body) > 0 {
				changed.body[(m.value>>8)%len(changed.body)] = byte(m.value)
			}
		case "append":
			if changed.late == nil {
				changed.body = append(changed.body, byte(m.value))
			}
		case "shorten":
			if len(changed.body) > 0 {
				changed.body = changed.body[:len(changed.body)-1-m.value%min(len(changed.body), 5)]
			}
		}
		items[at] = changed
		return items
	}
}

// mutatedRows are those of testdata/mutations: what drawing at random has found.
func (b *bench) mutatedRows(t testing.TB) []*peer {
	t.Helper()
	data, err := os.ReadFile("testdata/mutations")
	if err != nil {
		t.Fatal(err)
	}
	var rows []*peer
	for line := range strings.Lines(string(data)) {
		transport, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		list, err := parseMutations(text)
		if err != nil || transport != "tcp" && transport != "udp" {
			t.Fatalf("testdata/mutations: %q: %v", line, err)
		}
		rows = append(rows, b.mutated(transport == "udp", list))
	}
	return rows
}

// draws is how many servers a run without -random draws: the same each time.
const draws = 100

// TestMutatedPeers draws servers that are changed at random and reports those of which the exporter finds something
// else than a device, as a row to add to testdata/mutations. With -random it draws others at each run, for that time.
func TestMutatedPeers(t *testing.T) {
	b := newBench(t)
	if b.device == nil {
		return // there is nothing to compare with
	}
	seed, end := uint64(1), time.Time{}
	if *random > 0 {
		seed, end = rand.Uint64(), time.Now().Add(*random)
		t.Logf("seed %d", seed)
	}
	source := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // to be drawn again from its seed
	var mu sync.Mutex
	drawn, found := 0, make(map[string]bool)
	next := func() (list []mutation, udp, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if end.IsZero() && drawn >= draws || !end.IsZero() && time.Now().After(end) {
			return nil, false, false
		}
		drawn++
		return drawMutations(source), source.IntN(4) == 0, true
	}
	t.Run("draws", func(t *testing.T) {
		for n := range 8 {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				for {
					list, udp, ok := next()
					if !ok {
						return
					}
					if !b.disagree(t, udp, list) {
						continue
					}
					list = b.minimised(t, udp, list)
					transport := map[bool]string{false: "tcp", true: "udp"}[udp]
					mu.Lock()
					if row := transport + " " + textOf(list); !found[row] {
						found[row] = true
						t.Errorf("add to testdata/mutations:\n%s", row)
					}
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d servers drawn, %d disagreements", drawn, len(found))
}

// disagree reports whether the exporter and the device find different things of a server, twice in a row, the second
// time with the patience for a loaded machine.
func (b *bench) disagree(t *testing.T, udp bool, list []mutation) (differ bool) {
	t.Helper()
	for _, wait := range []time.Duration{shortPatience, patience} {
		// A separate test, so that the server ends with it.
		t.Run("", func(t *testing.T) {
			p := b.mutated(udp, list)
			p.patience, p.ping = wait, 100*time.Millisecond
			found := b.try(t, p, netip.MustParseAddr("127.0.0.1"))
			// The refusal of the throw-away certificate is a difference by design.
			text := found.exporterText()
			agree, _ := found.agree(difference{})
			differ = !agree && text != upRefused && text != upUnproven
		})
		if !differ {
			return false
		}
	}
	return true
}

// minimised leaves out what the disagreement does not need.
func (b *bench) minimised(t *testing.T, udp bool, list []mutation) []mutation {
	t.Helper()
	for i := 0; i < len(list) && len(list) > 1; {
		if without := slices.Delete(slices.Clone(list), i, i+1); b.disagree(t, udp, without) {
			list = without
		} else {
			i++
		}
	}
	return list
}
