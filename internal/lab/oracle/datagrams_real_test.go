//go:build realpeers

package oracle

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// uncut sends each message in one fragment, whatever its size.
const uncut = 1 << 24

// datagramHandshakes are servers that are odd in a way that only DTLS has.
func (b *bench) datagramHandshakes() []handshake {
	var rows []handshake
	add := func(set, name string, s *script) *handshake {
		rows = append(rows, handshake{set: set, name: name, script: s})
		return &rows[len(rows)-1]
	}
	b.cookieRows(add)
	b.fragmentRows(add)
	b.datagramRows(add)
	b.numberRows(add)
	b.epochRows(add)
	b.connectionIDRows(add)
	add("size", "one record of 4096 bytes, message uncut", &script{fragment: uncut, chain: [][]byte{b.minter.leafCert().ofSize(4096 - 12 - 6)}})
	add("size", "one record of 4097 bytes, message uncut", &script{fragment: uncut, chain: [][]byte{b.minter.leafCert().ofSize(4097 - 12 - 6)}})
	for _, size := range []int{4095, 4096, 4097} {
		add("size", fmt.Sprintf("Certificate message of %d bytes with its header", size), &script{chain: [][]byte{b.minter.leafCert().ofSize(size - 12 - 6)}})
	}
	return rows
}

// cookieRows ask for cookies.
func (b *bench) cookieRows(add handshakeRow) {
	cookie := func(n int, fill byte) []byte { return bytes.Repeat([]byte{fill}, n) }
	asks := func(name string, verify ...helloVerify) *handshake {
		return add("cookie", name, &script{verify: verify})
	}
	for _, n := range []int{1, 20, 32, 33, 255} {
		asks(fmt.Sprintf("of %d bytes", n), helloVerify{cookie: cookie(n, 1)})
	}
	asks("empty", helloVerify{})
	asks("record of DTLS 1.2", helloVerify{version: 0xfefd, cookie: cookie(20, 1)})
	asks("record of an unknown version", helloVerify{version: 0xfefc, cookie: cookie(20, 1)})
	asks("bytes behind it", helloVerify{cookie: cookie(20, 1), after: []byte{0}})
	asks("message number 1", helloVerify{cookie: cookie(20, 1), sequence: 1})
	asks("two, numbered 0 and 1", helloVerify{cookie: cookie(20, 1)}, helloVerify{cookie: cookie(20, 2), sequence: 1})
	asks("two, both numbered 0", helloVerify{cookie: cookie(20, 1)}, helloVerify{cookie: cookie(20, 2)})
	asks("two of the same cookie", helloVerify{cookie: cookie(20, 1)}, helloVerify{cookie: cookie(20, 1), sequence: 1})
	asks("three", helloVerify{cookie: cookie(20, 1)}, helloVerify{cookie: cookie(20, 2), sequence: 1}, helloVerify{cookie: cookie(20, 3), sequence: 2})
	asks("five", func() (five []helloVerify) {
		for i := range 5 {
			five = append(five, helloVerify{cookie: cookie(20, byte(i)), sequence: uint16(i)})
		}
		return five
	}()...)
	one := []helloVerify{{cookie: cookie(20, 1)}}
	add("cookie", "the answer numbered from 0", &script{verify: one, sequence: func(next uint16) uint16 { return next - 1 }})
	add("cookie", "the answer numbered from 2", &script{verify: one, sequence: func(next uint16) uint16 { return next + 1 }})
	add("cookie", "first request is lost", &script{verify: one, datagrams: func(flight int, d [][]byte) [][]byte {
		if flight == 0 {
			return nil
		}
		return d
	}})
	add("cookie", "request sent twice", &script{verify: one, datagrams: func(flight int, d [][]byte) [][]byte {
		if flight == 0 {
			return append(d, d...)
		}
		return d
	}})
	add("cookie", "asked for again behind ServerHello", &script{first: func(_ *session, flight []item) []item {
		again := frameDTLS(messageHelloVerifyRequest, 0, append([]byte{0xfe, 0xff, 20}, make([]byte, 20)...))
		return slices.Insert(flight, 1, item{raw: plainRecord(recordHandshake, 0xfeff, 40, again)})
	}})
}

// plainRecord is a record of epoch 0.
func plainRecord(content byte, version uint16, number uint64, body []byte) []byte {
	b := []byte{content, byte(version >> 8), byte(version), 0, 0}
	for shift := 40; shift >= 0; shift -= 8 {
		b = append(b, byte(number>>shift))
	}
	return append(append(b, byte(len(body)>>8), byte(len(body))), body...)
}

// fragmentRows cut messages in odd ways.
func (b *bench) fragmentRows(add handshakeRow) {
	for _, n := range []int{10, 50, 100, 500, 1000} {
		add("fragments", fmt.Sprintf("of %d bytes", n), &script{fragment: n})
	}
	add("fragments", "of 50 bytes, each in its own datagram", &script{fragment: 50, datagram: 1})
	add("fragments", "of 100 bytes with a chain of three", &script{fragment: 100, chain: b.threeCertificates()})
	add("fragments", "of 500 bytes with a chain of three", &script{fragment: 500, chain: b.threeCertificates()})
	changed := func(name string, change func(fragments []outgoing) []outgoing) *handshake {
		return add("fragments", name, &script{fragment: uncut, records: func(records []outgoing) []outgoing {
			cut := fragmented(records[1:2], 200)
			return slices.Concat(records[:1], change(cut), records[2:])
		}})
	}
	plain := func(f []outgoing) []outgoing { return f }
	changed("of Certificate only", plain)
	changed("in the reverse order", func(f []outgoing) []outgoing { slices.Reverse(f); return f })
	changed("the first two swapped", func(f []outgoing) []outgoing { f[0], f[1] = f[1], f[0]; return f })
	changed("each twice", func(f []outgoing) []outgoing {
		var out []outgoing
		for _, one := range f {
			out = append(out, one, one)
		}
		return out
	})
	changed("the whole message behind them", func(f []outgoing) []outgoing { return append(f, whole(f)) })
	changed("the whole message before them", func(f []outgoing) []outgoing { return append([]outgoing{whole(f)}, f...) })
	changed("overlapping", func(f []outgoing) []outgoing {
		body := whole(f).body
		header, body := body[:6], body[fragmentHeader:]
		return []outgoing{
			{content: recordHandshake, body: fragmentOf(header, body, 0, 250)},
			{content: recordHandshake, body: fragmentOf(header, body, 100, len(body)-100)},
		}
	})
	changed("one missing", func(f []outgoing) []outgoing { return slices.Delete(f, 1, 2) })
	changed("one of no bytes", func(f []outgoing) []outgoing {
		body := whole(f).body
		return append([]outgoing{{content: recordHandshake, body: fragmentOf(body[:6], body[fragmentHeader:], 0, 0)}}, f...)
	})
	changed("of different total lengths", func(f []outgoing) []outgoing {
		f[1].body = slices.Clone(f[1].body)
		f[1].body[3]++
		return f
	})
	changed("of different types", func(f []outgoing) []outgoing {
		f[1].body = slices.Clone(f[1].body)
		f[1].body[0]++
		return f
	})
	changed("beyond the message's end", func(f []outgoing) []outgoing {
		f[0].body = slices.Clone(f[0].body)
		f[0].body[6] = 1 // the offset is over 64 kB
		return f
	})
	changed("longer than the record", func(f []outgoing) []outgoing {
		f[0].body = f[0].body[:len(f[0].body)-1]
		return f
	})
	changed("two in one record", func(f []outgoing) []outgoing {
		f[0].body = slices.Concat(f[0].body, f[1].body)
		return append(f[:1], f[2:]...)
	})
	changed("with bytes behind one", func(f []outgoing) []outgoing { f[0].body = append(slices.Clone(f[0].body), 0, 0); return f })
	changed("of a message that announces 16 MB before them", func(f []outgoing) []outgoing {
		large := slices.Clone(f[0].body)
		copy(large[1:], []byte{0xff, 0xff, 0xff})
		return append([]outgoing{{content: recordHandshake, body: large}}, f...)
	})
}

func (b *bench) threeCertificates() [][]byte {
	issuing := b.minter.authorityCert("Issuing CA", b.minter.issuing)
	return [][]byte{b.minter.leafCert().under(issuing, b.minter.issuing).encode(), issuing.encode(), b.minter.root}
}

// whole puts fragments together again.
func whole(fragments []outgoing) outgoing {
	header := fragments[0].body[:6]
	var body []byte
	for _, f := range fragments {
		body = append(body, f.body[fragmentHeader:]...)
	}
	return outgoing{content: recordHandshake, body: fragmentOf(header, body, 0, len(body))}
}

// datagramRows lose, repeat, reorder and fill datagrams.
func (b *bench) datagramRows(add handshakeRow) {
	sent := func(name string, change func(flight int, d [][]byte) [][]byte) *handshake {
		return add("datagrams", name, &script{datagram: 1, datagrams: change})
	}
	sent("a record in each", func(_ int, d [][]byte) [][]byte { return d })
	add("datagrams", "the flight in one", &script{datagram: 8000})
	add("datagrams", "messages joined into one record", &script{datagram: 8000, records: joined})
	sent("in the reverse order", func(_ int, d [][]byte) [][]byte { slices.Reverse(d); return d })
	sent("in pairs swapped", func(_ int, d [][]byte) [][]byte {
		for i := 0; i+1 < len(d); i += 2 {
			d[i], d[i+1] = d[i+1], d[i]
		}
		return d
	})
	sent("each twice", func(_ int, d [][]byte) [][]byte {
		var out [][]byte
		for _, one := range d {
			out = append(out, one, one)
		}
		return out
	})
	for n := range 3 {
		sent(fmt.Sprintf("%d of the first flight is lost once", n), func(flight int, d [][]byte) [][]byte {
			if flight == 0 {
				return slices.Delete(d, n, n+1)
			}
			return d
		})
	}
	sent("the first flight is lost once", func(flight int, d [][]byte) [][]byte {
		if flight == 0 {
			return nil
		}
		return d
	})
	sent("the first flight is lost twice", func(flight int, d [][]byte) [][]byte {
		if flight < 2 {
			return nil
		}
		return d
	})
	sent("the second flight is lost once", func(flight int, d [][]byte) [][]byte {
		if flight == 1 {
			return nil
		}
		return d
	})
	sent("the second flight's Finished is lost once", func(flight int, d [][]byte) [][]byte {
		if flight == 1 {
			return d[:1]
		}
		return d
	})
	sent("the second flight's ChangeCipherSpec is lost", func(flight int, d [][]byte) [][]byte {
		if flight == 1 {
			return d[1:]
		}
		return d
	})
	sent("the second flight in the reverse order", func(flight int, d [][]byte) [][]byte {
		if flight == 1 {
			slices.Reverse(d)
		}
		return d
	})
	add("datagrams", "the client's first is lost", &script{loses: func(n int, _ []byte) bool { return n == 0 }})
	add("datagrams", "the client's second is lost", &script{loses: func(n int, _ []byte) bool { return n == 1 }})
	noise := func(name string, datagram []byte) *handshake {
		return sent(name+" before each", func(_ int, d [][]byte) [][]byte {
			var out [][]byte
			for _, one := range d {
				out = append(out, datagram, one)
			}
			return out
		})
	}
	noise("garbage", []byte("not a record"))
	noise("half a record", []byte{recordHandshake, 0xfe, 0xfd, 0, 0})
	noise("a record longer than its datagram", plainRecord(recordHandshake, 0xfefd, 40, make([]byte, 40))[:30])
	noise("a record of TLS", []byte{recordHandshake, 3, 3, 0, 4, 14, 0, 0, 0})
	noise("a record of an unknown type", plainRecord(99, 0xfefd, 40, []byte{1}))
	noise("a record of 16385 bytes", plainRecord(recordHandshake, 0xfefd, 40, make([]byte, 16385)))
	noise("a record of epoch 2", append([]byte{recordHandshake, 0xfe, 0xfd, 0, 2, 0, 0, 0, 0, 0, 1, 0, 4}, 1, 2, 3, 4))
	noise("an alert of one byte", plainRecord(recordAlert, 0xfefd, 40, []byte{1}))
	noise("an empty alert", plainRecord(recordAlert, 0xfefd, 40, nil))
	noise("an empty handshake record", plainRecord(recordHandshake, 0xfefd, 40, nil))
	noise("application data", plainRecord(recordData, 0xfefd, 40, []byte("early")))
	noise("a message of number 40", plainRecord(recordHandshake, 0xfefd, 40, frameDTLS(messageFinished, 40, make([]byte, 12))))
	sent("bytes behind the records", func(_ int, d [][]byte) [][]byte {
		for i := range d {
			d[i] = append(d[i], 1, 2, 3)
		}
		return d
	})
}

// numberRows number records and messages in odd ways.
func (b *bench) numberRows(add handshakeRow) {
	number := func(name string, of func(epoch uint16, next uint64) uint64) *handshake {
		return add("numbers", "records "+name, &script{number: of})
	}
	number("from 1000", func(_ uint16, n uint64) uint64 { return n + 1000 })
	number("with gaps of 100", func(_ uint16, n uint64) uint64 { return n * 100 })
	number("from the highest down", func(_ uint16, n uint64) uint64 { return 1<<48 - 1 - n })
	number("backwards from 60", func(_ uint16, n uint64) uint64 { return 60 - n })
	number("backwards from 10000 by 100", func(_ uint16, n uint64) uint64 { return 10000 - 100*n })
	number("all 0", func(uint16, uint64) uint64 { return 0 })
	number("all 0 in epoch 1", func(epoch uint16, n uint64) uint64 {
		if epoch == 1 {
			return 0
		}
		return n
	})
	sequence := func(name string, of func(uint16) uint16) *handshake {
		return add("numbers", "messages "+name, &script{sequence: of})
	}
	sequence("from 1", func(n uint16) uint16 { return n + 1 })
	sequence("with a gap", func(n uint16) uint16 {
		if n > 1 {
			n++
		}
		return n
	})
	sequence("all 0", func(uint16) uint16 { return 0 })
	sequence("Finished numbered like the message before it", func(n uint16) uint16 {
		if n == 5 {
			return 4
		}
		return n
	})
	for _, v := range []uint16{0xfeff, 0xfefc, 0x0303, 0xfe00} {
		add("numbers", fmt.Sprintf("records of version %#04x", v), &script{records: func(r []outgoing) []outgoing {
			for i := range r {
				r[i].version = v
			}
			return r
		}})
	}
	for _, v := range []uint16{0xfeff, 0xfefc, 0x0303, 0xfe00} {
		add("hello", fmt.Sprintf("version %#04x", v), &script{hello: func(_ *session, h *serverHello) { h.version = v }})
	}
}

// epochRows send what is in the clear when it should be protected, and the reverse.
func (b *bench) epochRows(add handshakeRow) {
	final := func(name string, change func(s *session, flight []item) []item) *handshake {
		return add("epoch", name, &script{final: change})
	}
	behind := func(name string, raw []byte) *handshake {
		return final(name+" in the clear behind Finished", func(_ *session, flight []item) []item { return append(flight, item{raw: raw}) })
	}
	behind("a fatal alert", plainRecord(recordAlert, 0xfefd, 40, []byte{fatal, internalError}))
	behind("close_notify", plainRecord(recordAlert, 0xfefd, 40, []byte{warning, closeNotify}))
	behind("application data", plainRecord(recordData, 0xfefd, 40, []byte("x")))
	behind("a repeated ServerHelloDone", plainRecord(recordHandshake, 0xfefd, 40, frameDTLS(messageServerHelloDone, 4, nil)))
	before := func(name string, raw []byte) *handshake {
		return final(name+" in the clear before ChangeCipherSpec", func(_ *session, flight []item) []item { return append([]item{{raw: raw}}, flight...) })
	}
	before("a fatal alert", plainRecord(recordAlert, 0xfefd, 40, []byte{fatal, internalError}))
	before("close_notify", plainRecord(recordAlert, 0xfefd, 40, []byte{warning, closeNotify}))
	before("a repeated ServerHelloDone", plainRecord(recordHandshake, 0xfefd, 40, frameDTLS(messageServerHelloDone, 4, nil)))
	between := func(name string, i item) *handshake {
		return final(name+" between ChangeCipherSpec and Finished", func(_ *session, flight []item) []item { return slices.Insert(flight, 1, i) })
	}
	between("a fatal alert in the clear", item{raw: plainRecord(recordAlert, 0xfefd, 40, []byte{fatal, internalError})})
	between("a protected fatal alert", alert(fatal, internalError))
	between("a record of epoch 1 that does not open", item{raw: append([]byte{recordHandshake, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 3, 0, 0, 24}, make([]byte, 24)...)})
	add("epoch", "Finished in epoch 0", &script{finalRecords: func(r []outgoing) []outgoing { r[1].plain = true; return r }})
	halves := func(r outgoing) []outgoing {
		n := len(r.body) - fragmentHeader
		return []outgoing{
			{content: r.content, body: fragmentOf(r.body[:6], r.body[fragmentHeader:], 0, n/2)},
			{content: r.content, body: fragmentOf(r.body[:6], r.body[fragmentHeader:], n/2, n-n/2)},
		}
	}
	add("epoch", "a fatal alert behind Finished in two fragments", &script{
		final:        func(_ *session, flight []item) []item { return append(flight, alert(fatal, internalError)) },
		finalRecords: func(r []outgoing) []outgoing { return slices.Concat(r[:1], halves(r[1]), r[2:]) },
	})
	add("epoch", "a fatal alert behind ChangeCipherSpec behind a ticket in two fragments", &script{
		ticket:       ticket(100),
		final:        func(_ *session, flight []item) []item { return slices.Insert(flight, 2, alert(fatal, internalError)) },
		finalRecords: func(r []outgoing) []outgoing { return slices.Concat(halves(r[0]), r[1:]) },
	})
	final("a message behind ServerHelloDone", nil).script.first = func(_ *session, flight []item) []item {
		return append(flight, message(messageServerHelloDone, nil))
	}
	final("Finished twice", func(_ *session, flight []item) []item {
		var body []byte
		make := flight[1].late
		flight[1].late = func(s *session) []byte { body = make(s); return body }
		again := flight[1]
		again.hidden = true
		again.late = func(*session) []byte { return body }
		return append(flight, again)
	})
	final("a protected alert behind Finished after a pause", func(_ *session, flight []item) []item {
		return append(flight, pause(100*time.Millisecond), alert(fatal, internalError))
	})
	add("epoch", "the ping's answer comes twice", &script{pong: func(_ *session, r []byte) []item {
		answer := record(recordData, []byte{0x70, 0, r[2], r[3]})
		return []item{answer, answer}
	}})
	add("epoch", "a record that does not open before the ping's answer", &script{pong: func(_ *session, r []byte) []item {
		return []item{
			{raw: append([]byte{recordData, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 3, 0, 0, 24}, make([]byte, 24)...)},
			record(recordData, []byte{0x70, 0, r[2], r[3]}),
		}
	}})
}

// connectionIDRows negotiate a connection id, or do not.
func (b *bench) connectionIDRows(add handshakeRow) {
	for _, n := range []int{0, 1, 8, 20, 32} {
		add("connection id", fmt.Sprintf("of %d bytes", n), &script{cid: bytes.Repeat([]byte{0xc1}, n)})
	}
	add("connection id", "of 33 bytes", &script{cid: bytes.Repeat([]byte{0xc1}, 33)})
	add("connection id", "of 200 bytes", &script{cid: bytes.Repeat([]byte{0xc1}, 200)})
	id := []byte("12345678")
	add("connection id", "of 8 bytes, with a cookie", &script{cid: id, verify: []helloVerify{{cookie: make([]byte, 20)}}})
	add("connection id", "of 8 bytes, with a ticket", &script{cid: id, ticket: ticket(100)})
	add("connection id", "of 8 bytes, the second flight lost once", &script{cid: id, datagrams: func(flight int, d [][]byte) [][]byte {
		if flight == 1 {
			return nil
		}
		return d
	}})
	malformed := func(name string, data ...byte) *handshake {
		return add("connection id", name, &script{hello: func(s *session, h *serverHello) {
			if _, offered := s.offered[extensionCID]; offered {
				h.add(extensionCID, data...)
			}
		}})
	}
	malformed("empty extension")
	malformed("longer than the extension", 9, 1)
	malformed("bytes behind it", 0, 0)
	add("connection id", "offered by neither", &script{}).withoutCID = true
	add("connection id", "not offered, a server that would have one", &script{cid: id}).withoutCID = true
	dropped := func(_ int, datagram []byte) bool { return len(datagram) > 0 && datagram[0] == recordCID }
	add("connection id", "records that carry one are lost", &script{cid: id, loses: func(n int, d []byte) bool {
		// The last flight's datagram begins with records in the clear.
		return dropped(n, d) || bytes.Contains(d, []byte{recordCID, 0xfe, 0xfd, 0, 1})
	}})
	add("connection id", "records that carry one are lost after the handshake", &script{cid: id, loses: dropped})
}
