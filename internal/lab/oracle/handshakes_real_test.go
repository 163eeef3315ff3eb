//go:build realpeers

package oracle

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"slices"
	"time"
)

// handshake is a script with the name of its row.
type handshake struct {
	set, name string
	script    *script
	// overUDP runs the row over DTLS too.
	overUDP    bool
	withoutCID bool // the device offers no connection id
}

// handshakes are servers whose certificate is good and whose handshake is odd in one way.
func (b *bench) handshakes() []handshake {
	var rows []handshake
	add := func(set, name string, s *script) *handshake {
		rows = append(rows, handshake{set: set, name: name, script: s})
		return &rows[len(rows)-1]
	}
	add("handshake", "plain", &script{}).overUDP = true
	b.helloRows(add)
	b.exchangeRows(add)
	b.requestRows(add)
	b.certificateMessageRows(add)
	b.orderRows(add)
	b.recordRows(add)
	b.ticketRows(add)
	b.finishRows(add)
	b.alertRows(add)
	b.endRows(add)
	b.sessionRows(add)
	b.foreignRows(add)
	return rows
}

type handshakeRow = func(set, name string, s *script) *handshake

// helloRows have an odd ServerHello.
func (b *bench) helloRows(add handshakeRow) {
	hello := func(name string, change func(s *session, h *serverHello)) *handshake {
		return add("hello", name, &script{hello: change})
	}
	with := func(name string, id uint16, data ...byte) *handshake {
		return hello(name, func(_ *session, h *serverHello) { h.remove(id); h.add(id, data...) })
	}
	without := func(name string, ids ...uint16) *handshake {
		return hello(name, func(_ *session, h *serverHello) {
			for _, id := range ids {
				h.remove(id)
			}
		})
	}
	version := func(v uint16) *handshake {
		return hello(fmt.Sprintf("version %#04x", v), func(_ *session, h *serverHello) { h.version = v })
	}
	for _, v := range []uint16{0x0300, 0x0301, 0x0302, 0x0304, 0x0403, 0x0203, 0xfefd, 0} {
		version(v)
	}
	suite := func(v uint16) *handshake {
		return hello(fmt.Sprintf("suite %#04x", v), func(_ *session, h *serverHello) { h.suite = v })
	}
	suite(0xc02b).overUDP = true
	suite(0xc0ac)
	suite(0x00ff)
	suite(0xc00a)
	suite(0)
	suite(0x1301)
	hello("compression", func(_ *session, h *serverHello) { h.compression = 1 }).overUDP = true
	for _, n := range []int{1, 16, 32, 33, 255} {
		hello(fmt.Sprintf("session id of %d bytes", n), func(_ *session, h *serverHello) { h.session = make([]byte, n) })
	}
	hello("no list of extensions", func(_ *session, h *serverHello) { h.extensions, h.bare = nil, true }).overUDP = true
	hello("empty list of extensions", func(_ *session, h *serverHello) { h.extensions = nil })
	hello("bytes behind the extensions", func(_ *session, h *serverHello) { h.after = []byte{0} }).overUDP = true
	hello("four bytes behind the extensions", func(_ *session, h *serverHello) { h.after = make([]byte, 4) })
	hello("half an extension", func(_ *session, h *serverHello) { h.extensions, h.bare, h.after = nil, true, []byte{0, 3, 0, 11, 0} })
	hello("an extension longer than the list", func(_ *session, h *serverHello) { h.extensions, h.bare, h.after = nil, true, []byte{0, 4, 0, 11, 0, 2} })
	hello("the list longer than the message", func(_ *session, h *serverHello) {
		h.extensions, h.bare, h.after = nil, true, []byte{0, 9, 0, 11, 0, 2, 1, 0}
	})
	hello("one byte instead of extensions", func(_ *session, h *serverHello) { h.extensions, h.bare, h.after = nil, true, []byte{0} })
	hello("list of extensions of three bytes", func(_ *session, h *serverHello) { h.extensions, h.bare, h.after = nil, true, []byte{0, 3, 0, 0, 0} })
	hello("the client's random", func(s *session, h *serverHello) { h.random = s.clientRandom })
	hello("the random that marks a downgrade", func(_ *session, h *serverHello) { copy(h.random[24:], "DOWNGRD\x01") })

	without("no extended master secret", extensionExtended).overUDP = true
	with("extended master secret with a body", extensionExtended, 0)
	hello("extended master secret twice", func(_ *session, h *serverHello) { h.add(extensionExtended) })
	without("no renegotiation_info", extensionRenegotiation).overUDP = true
	with("renegotiation_info with data", extensionRenegotiation, 1, 7)
	with("renegotiation_info empty", extensionRenegotiation)
	with("renegotiation_info of a wrong length", extensionRenegotiation, 5)
	hello("renegotiation_info twice", func(_ *session, h *serverHello) { h.add(extensionRenegotiation, 0) })
	without("no point formats", extensionPointFormats)
	with("point formats: all three", extensionPointFormats, 3, 0, 1, 2)
	with("point formats: compressed only", extensionPointFormats, 1, 1).overUDP = true
	with("point formats: an empty list", extensionPointFormats, 0)
	with("point formats: a list longer than the extension", extensionPointFormats, 5, 0)
	with("point formats: bytes behind the list", extensionPointFormats, 1, 0, 0)
	with("point formats: no bytes", extensionPointFormats)
	hello("point formats twice", func(_ *session, h *serverHello) { h.add(extensionPointFormats, 1, 0) })
	with("encrypt_then_mac", 0x0016)
	with("encrypt_then_mac with a body", 0x0016, 0)
	with("supported groups", 0x000a, 0, 2, 0, 0x17).overUDP = true
	with("supported groups that list no P-256", 0x000a, 0, 2, 0, 0x18)
	with("signature algorithms", 0x000d, 0, 2, 4, 3)
	with("server name, not offered", 0x0000).overUDP = true
	with("server name with a body, not offered", 0x0000, 0, 0)
	with("ALPN, not offered", 0x0010, 0, 5, 4, 'c', 'o', 'a', 'p').overUDP = true
	with("ALPN empty, not offered", 0x0010)
	with("maximum fragment length, not offered", 0x0001, 4).overUDP = true
	with("maximum fragment length empty, not offered", 0x0001)
	with("status request, not offered", 0x0005)
	with("truncated HMAC, not offered", 0x0004)
	with("heartbeat, not offered", 0x000f, 1)
	with("SCT, not offered", 0x0012, 0, 2, 0, 0)
	with("record size limit, not offered", 0x001c, 0x40, 0)
	with("supported versions, not offered", 0x002b, 3, 3)
	with("key share, not offered", 0x0033, 0, 0x17)
	with("connection id of RFC 9146, not offered", 0x0036, 0).overUDP = true
	with("client certificate type, not offered", 0x0013, 0)
	with("server certificate type, not offered", 0x0014, 0)
	with("next protocol negotiation, not offered", 0x3374)
	with("unknown extension, not offered", 0xabcd).overUDP = true
	with("GREASE, not offered", 0x0a0a, 1, 2, 3)
	with("unknown extension of 3000 bytes", 0xabcd, make([]byte, 3000)...)
	with("unknown extension of 5000 bytes", 0xabcd, make([]byte, 5000)...)
	hello("unknown extension twice", func(_ *session, h *serverHello) { h.add(0xabcd); h.add(0xabcd) })
	hello("100 unknown extensions", func(_ *session, h *serverHello) {
		for i := range 100 {
			h.add(0xab00 + uint16(i))
		}
	})
}

// exchangeRows have an odd ServerKeyExchange.
func (b *bench) exchangeRows(add handshakeRow) {
	exchange := func(name string, change func(x *keyExchange)) *handshake {
		return add("key exchange", name, &script{exchange: change})
	}
	point := func(curve ecdh.Curve) []byte {
		key, err := curve.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		return key.PublicKey().Bytes()
	}
	exchange("on P-384", func(x *keyExchange) { x.curve, x.point = 0x0018, point(ecdh.P384()) }).overUDP = true
	exchange("on P-521", func(x *keyExchange) { x.curve, x.point = 0x0019, point(ecdh.P521()) })
	exchange("on X25519", func(x *keyExchange) { x.curve, x.point = 0x001d, point(ecdh.X25519()) }).overUDP = true
	exchange("on an unknown curve", func(x *keyExchange) { x.curve = 0xffff })
	exchange("explicit prime", func(x *keyExchange) { x.kind = 1 })
	exchange("explicit char2", func(x *keyExchange) { x.kind = 2 })
	exchange("unknown kind of curve", func(x *keyExchange) { x.kind = 0 })
	rsaLeaf := b.minter.leafCert()
	rsaLeaf.spki = spki(b.minter.rsa)
	rsaNamedECDSA := exchange("signed by an RSA leaf with ECDSA named", func(x *keyExchange) { x.scheme = 0x0403 })
	rsaNamedECDSA.script.key, rsaNamedECDSA.script.chain = b.minter.rsa, [][]byte{rsaLeaf.encode()}
	exchange("point compressed", func(x *keyExchange) {
		x.point = append([]byte{2 + x.point[64]&1}, x.point[1:33]...)
	}).overUDP = true
	exchange("point hybrid", func(x *keyExchange) { x.point = append([]byte{6 + x.point[64]&1}, x.point[1:]...) })
	exchange("point not on the curve", func(x *keyExchange) { x.point = append([]byte{4}, bytes.Repeat([]byte{1}, 64)...) }).overUDP = true
	exchange("point at infinity", func(x *keyExchange) { x.point = []byte{0} })
	exchange("point empty", func(x *keyExchange) { x.point = nil })
	exchange("point a byte short", func(x *keyExchange) { x.point = x.point[:64] })
	exchange("point a byte long", func(x *keyExchange) { x.point = append(x.point, 0) })
	exchange("coordinates over the prime", func(x *keyExchange) { x.point = append([]byte{4}, bytes.Repeat([]byte{0xff}, 64)...) })
	for _, c := range []struct {
		name   string
		scheme uint16
		hash   crypto.Hash
	}{
		{"SHA-1", 0x0203, crypto.SHA1}, {"SHA-224", 0x0303, crypto.SHA224}, {"SHA-384", 0x0503, crypto.SHA384}, {"SHA-512", 0x0603, crypto.SHA512},
		{"MD5 named, SHA-256 used", 0x0103, crypto.SHA256}, {"SHA-224 named, SHA-256 used", 0x0303, crypto.SHA256}, {"SHA-256 named, SHA-224 used", 0x0403, crypto.SHA224},
		{"RSA named", 0x0401, crypto.SHA256}, {"DSA named", 0x0402, crypto.SHA256}, {"anonymous named", 0x0400, crypto.SHA256}, {"Ed25519 named", 0x0807, crypto.SHA256},
		{"RSA-PSS named", 0x0804, crypto.SHA256}, {"no hash named", 0x0003, crypto.SHA256}, {"unknown named", 0xffff, crypto.SHA256},
	} {
		h := exchange("signed with "+c.name, func(x *keyExchange) { x.scheme, x.hash = c.scheme, c.hash })
		h.overUDP = c.scheme == 0x0303 || c.scheme == 0x0503 || c.scheme == 0x0203
	}
	exchange("signed by another key", func(x *keyExchange) { x.signer = b.minter.other }).overUDP = true
	exchange("signed without the randoms", func(x *keyExchange) { x.signed = func(b []byte) []byte { return b[64:] } })
	exchange("signed over the randoms swapped", func(x *keyExchange) {
		x.signed = func(b []byte) []byte { return slices.Concat(b[32:64], b[:32], b[64:]) }
	})
	exchange("signature empty", func(x *keyExchange) { x.signature = func([]byte) []byte { return nil } })
	exchange("signature a bit flipped", func(x *keyExchange) { x.signature = func(s []byte) []byte { s[len(s)-1] ^= 1; return s } })
	exchange("signature with bytes behind it", func(x *keyExchange) { x.signature = func(s []byte) []byte { return append(s, 0) } })
	exchange("signature not DER", func(x *keyExchange) { x.signature = func(s []byte) []byte { return make([]byte, len(s)) } })
	exchange("signature with padded integers", func(x *keyExchange) { x.signature = paddedIntegers })
	exchange("signature with a high S", func(x *keyExchange) { x.signature = highS })
	exchange("bytes behind the signature", func(x *keyExchange) { x.after = []byte{0} }).overUDP = true
	exchange("4096 bytes behind the signature", func(x *keyExchange) { x.after = make([]byte, 4096) })
}

// requestRows have an odd CertificateRequest, or none.
func (b *bench) requestRows(add handshakeRow) {
	request := func(name string, body ...byte) *handshake { return add("request", name, &script{request: body}) }
	add("request", "none", &script{noRequest: true}).overUDP = true
	request("RSA certificates only", 1, 1, 0, 2, 4, 3, 0, 0).overUDP = true
	request("RSA and ECDSA certificates", 2, 1, 64, 0, 4, 4, 1, 4, 3, 0, 0)
	request("unknown kinds of certificate only", 2, 200, 201, 0, 2, 4, 3, 0, 0)
	request("no kind of certificate", 0, 0, 2, 4, 3, 0, 0)
	request("no signature algorithm", 1, 64, 0, 0, 0, 0).overUDP = true
	request("signature algorithms of RSA only", 1, 64, 0, 2, 4, 1, 0, 0)
	request("SHA-384 only", 1, 64, 0, 2, 5, 3, 0, 0).overUDP = true
	request("an odd number of bytes of signature algorithms", 1, 64, 0, 3, 4, 3, 4, 0, 0)
	request("bytes behind the authorities", 1, 64, 0, 2, 4, 3, 0, 0, 0)
	request("no list of authorities", 1, 64, 0, 2, 4, 3)
	request("list of authorities of one byte", 1, 64, 0, 2, 4, 3, 0)
	request("list of authorities longer than the message", 1, 64, 0, 2, 4, 3, 0, 9)
	request("list of algorithms longer than the message", 1, 64, 0, 9, 4, 3)
	request("kinds longer than the message", 9, 64)
	request("empty", []byte{}...)
	request("one byte", 1)
	request("without algorithms, as of TLS 1.1", 1, 64, 0, 0)
	authorities := func(names ...[]byte) []byte {
		var list []byte
		for _, n := range names {
			list = append(list, byte(len(n)>>8), byte(len(n)))
			list = append(list, n...)
		}
		return slices.Concat([]byte{1, 64, 0, 2, 4, 3, byte(len(list) >> 8), byte(len(list))}, list)
	}
	request("an authority that signed nothing", authorities(common("Unknown CA"))...).overUDP = true
	request("an authority's name that is not DER", authorities([]byte("x"))...)
	request("an authority's name of no bytes", authorities([]byte{})...)
	request("of 4092 bytes", authorities(slices.Repeat([][]byte{common("Unknown authority")}, 136)...)...)
	large := authorities(make([]byte, 4092-10))
	request("of 4096 bytes with its header", large...)
	request("of 4097 bytes with its header", authorities(make([]byte, 4092-9))...)
	request("of 12 kB", authorities(slices.Repeat([][]byte{common("Unknown authority")}, 400)...)...)
}

// certificateMessageRows have an odd Certificate message.
func (b *bench) certificateMessageRows(add handshakeRow) {
	leaf := b.minter.leafCert().encode()
	list := certificateList(leaf)
	body := func(name string, body []byte) *handshake {
		return add("certificate message", name, &script{certificates: body})
	}
	body("an empty list", []byte{0, 0, 0}).overUDP = true
	body("empty", []byte{})
	body("two bytes", []byte{0, 0})
	body("bytes behind the list", append(slices.Clone(list), 0)).overUDP = true
	body("list longer than the message", append([]byte{0, 0, list[2] + 1}, list[3:]...))
	body("list shorter than the certificate", append([]byte{list[0], list[1], list[2] - 1}, list[3:]...))
	body("certificate longer than the list", slices.Concat(list[:5], []byte{list[5] + 1}, list[6:]))
	body("half an entry behind the leaf", slices.Concat([]byte{list[0], list[1], list[2] + 2}, list[3:], []byte{0, 0}))
	body("an entry's length over 64 kB", slices.Concat(list[:3], []byte{1}, list[4:]))
	body("a leaf of no bytes", []byte{0, 0, 3, 0, 0, 0}).overUDP = true
	body("a leaf that is not a certificate", certificateList([]byte("no certificate")))
}

// messages finds the position of a message in a flight.
func messages(flight []item, kind byte) int {
	return slices.IndexFunc(flight, func(i item) bool { return i.content == recordHandshake && i.message == kind })
}

// orderRows have messages too many, too few, or in another order.
func (b *bench) orderRows(add handshakeRow) {
	first := func(name string, change func(s *session, flight []item) []item) *handshake {
		return add("order", name, &script{first: change})
	}
	insert := func(before byte, items ...item) func(*session, []item) []item {
		return func(_ *session, flight []item) []item {
			return slices.Insert(flight, messages(flight, before), items...)
		}
	}
	kinds := []struct {
		kind byte
		name string
	}{
		{messageServerHello, "ServerHello"}, {messageCertificate, "Certificate"}, {messageServerKeyExchange, "ServerKeyExchange"},
		{messageRequest, "CertificateRequest"}, {messageServerHelloDone, "ServerHelloDone"},
	}
	helloRequest := message(messageHelloRequest, nil)
	helloRequest.hidden = true
	for n, k := range kinds {
		if k.kind != messageRequest && k.kind != messageServerHelloDone {
			first("without "+k.name, func(_ *session, flight []item) []item {
				at := messages(flight, k.kind)
				return slices.Delete(flight, at, at+1)
			}).overUDP = n == 1
		}
		first(k.name+" twice", func(_ *session, flight []item) []item {
			at := messages(flight, k.kind)
			return slices.Insert(flight, at, flight[at])
		}).overUDP = n == 1 || n == 4
		first("HelloRequest before "+k.name, insert(k.kind, helloRequest)).overUDP = n == 0
		first("a message of an unknown type before "+k.name, insert(k.kind, message(99, []byte{1}))).overUDP = n == 1
		if n > 0 {
			first(k.name+" before the message before it", func(_ *session, flight []item) []item {
				at := messages(flight, k.kind)
				flight[at], flight[at-1] = flight[at-1], flight[at]
				return flight
			}).overUDP = n == 3
		}
		first("application data before "+k.name, insert(k.kind, record(recordData, []byte("early")))).overUDP = n == 2
		first("ChangeCipherSpec before "+k.name, insert(k.kind, record(recordChangeCipherSpec, []byte{1}))).overUDP = n == 2
		first("a warning before "+k.name, insert(k.kind, alert(warning, userCanceled))).overUDP = n == 0 || n == 3
		first("an empty handshake record before "+k.name, insert(k.kind, item{raw: []byte{recordHandshake, 3, 3, 0, 0}}))
	}
	first("CertificateStatus, which was not asked for", insert(messageServerKeyExchange, message(messageCertificateStatus, []byte{1, 0, 0, 1, 0})))
	first("NewSessionTicket in the first flight", insert(messageServerHelloDone, message(messageNewSessionTicket, make([]byte, 8))))
	first("a second ServerHello behind ServerHelloDone", func(_ *session, flight []item) []item { return append(flight, flight[0]) })
	first("Finished behind ServerHelloDone", func(_ *session, flight []item) []item {
		return append(flight, message(messageFinished, make([]byte, 12)))
	})
	first("ServerHelloDone with a body", func(_ *session, flight []item) []item {
		flight[len(flight)-1].body = []byte{0}
		return flight
	}).overUDP = true
	first("a warning behind ServerHelloDone", func(_ *session, flight []item) []item { return append(flight, alert(warning, userCanceled)) })
	first("no_renegotiation before ServerHello", insert(messageServerHello, alert(warning, noRenegotiation)))
	first("no_renegotiation before Certificate", insert(messageCertificate, alert(warning, noRenegotiation)))
	first("close_notify before Certificate", insert(messageCertificate, alert(warning, closeNotify))).overUDP = true
	for _, n := range []int{5, 20, 100} {
		first(fmt.Sprintf("%d warnings before ServerHello", n), insert(messageServerHello, slices.Repeat([]item{alert(warning, userCanceled)}, n)...))
	}
	first("an alert of an unknown level before Certificate", insert(messageCertificate, alert(7, userCanceled)))
	first("an alert of one byte", insert(messageCertificate, record(recordAlert, []byte{1})))
	first("an alert of three bytes", insert(messageCertificate, record(recordAlert, []byte{1, userCanceled, 0})))
	first("an alert of four bytes, two alerts", insert(messageCertificate, record(recordAlert, []byte{1, userCanceled, 1, userCanceled})))
	first("heartbeat before Certificate", insert(messageCertificate, record(24, []byte{1, 0, 0})))
	first("a record of an unknown type before Certificate", insert(messageCertificate, record(99, []byte{1})))
	first("an empty ChangeCipherSpec before Certificate", insert(messageCertificate, record(recordChangeCipherSpec, nil)))
}

// joined puts all handshake messages that follow each other into one record.
func joined(records []outgoing) []outgoing {
	var out []outgoing
	for _, r := range records {
		if last := len(out) - 1; last >= 0 && r.content == recordHandshake && out[last].content == recordHandshake {
			out[last].body = slices.Concat(out[last].body, r.body)
			continue
		}
		out = append(out, r)
	}
	return out
}

// cutTo cuts handshake records into some of at most n bytes.
func cutTo(n int) func([]outgoing) []outgoing {
	return func(records []outgoing) []outgoing {
		var out []outgoing
		for _, r := range records {
			if r.content != recordHandshake {
				out = append(out, r)
				continue
			}
			for part := range slices.Chunk(r.body, n) {
				out = append(out, outgoing{content: recordHandshake, body: part})
			}
		}
		return out
	}
}

// cutAt cuts the n-th record in two at a position; one from the end if negative.
func cutAt(n, position int) func([]outgoing) []outgoing {
	return func(records []outgoing) []outgoing {
		body := records[n].body
		if position < 0 {
			position += len(body)
		}
		return slices.Concat(records[:n], []outgoing{{content: recordHandshake, body: body[:position]}, {content: recordHandshake, body: body[position:]}}, records[n+1:])
	}
}

// recordRows cut or join the records of the first flight in another way.
func (b *bench) recordRows(add handshakeRow) {
	cut := func(name string, records func([]outgoing) []outgoing) *handshake {
		return add("records", name, &script{records: records})
	}
	cut("the flight in one record", joined)
	cut("ServerHello and Certificate in one record", func(r []outgoing) []outgoing { return append(joined(r[:2]), r[2:]...) })
	cut("the last two in one record", func(r []outgoing) []outgoing { return append(r[:3:3], joined(r[3:])...) })
	for _, n := range []int{1, 3, 4, 5, 100, 512, 1024} {
		cut(fmt.Sprintf("of at most %d bytes", n), cutTo(n))
	}
	cut("Certificate cut within its header", cutAt(1, 2))
	cut("Certificate cut behind its header", cutAt(1, 4))
	cut("Certificate cut before its last byte", cutAt(1, -1))
	cut("ServerHelloDone cut within its header", cutAt(4, 3))
	cut("ServerHello cut in two", cutAt(0, 20))
	cut("the flight in two records, cut within Certificate", func(r []outgoing) []outgoing { return cutAt(0, 300)(joined(r)) })
	cut("the flight in two records, cut between messages", func(r []outgoing) []outgoing { return append(joined(r[:3]), joined(r[3:])...) })
	for _, v := range []uint16{0x0300, 0x0301, 0x0302, 0x0304, 0x0305, 0x0400, 0x0203} {
		cut(fmt.Sprintf("of version %#04x", v), func(r []outgoing) []outgoing {
			for i := range r {
				r[i].version = v
			}
			return r
		})
	}
	cut("the first of version 0x0301", func(r []outgoing) []outgoing { r[0].version = 0x0301; return r })
	cut("the last of version 0x0301", func(r []outgoing) []outgoing { r[len(r)-1].version = 0x0301; return r })
	// Records of a size around the buffer's, filled with an extension.
	size := func(n int) *handshake {
		return add("records", fmt.Sprintf("one record of %d bytes", n), &script{
			records: joined,
			hello:   func(_ *session, h *serverHello) { h.add(0xabcd, make([]byte, 10)...) },
			request: func() []byte {
				names := make([]byte, n-1024)
				return slices.Concat([]byte{1, 64, 0, 2, 4, 3, byte((len(names) + 2) >> 8), byte(len(names) + 2), byte(len(names) >> 8), byte(len(names))}, names)
			}(),
		})
	}
	size(3500)
	size(5200)
	size(9000)
	exact := func(n int) *handshake {
		// The key exchange's signature varies in length, so the flight is filled behind it.
		return add("records", fmt.Sprintf("one record of exactly %d bytes", n), &script{first: func(s *session, flight []item) []item {
			total := 0
			for _, i := range flight {
				total += 4 + len(i.body)
			}
			names := make([]byte, n-total-2)
			at := messages(flight, messageRequest)
			flight[at].body = slices.Concat([]byte{1, 64, 0, 2, 4, 3, byte((len(names) + 2) >> 8), byte(len(names) + 2), byte(len(names) >> 8), byte(len(names))}, names)
			return flight
		}, records: joined})
	}
	for _, n := range []int{4095, 4096, 4097, 4200} {
		exact(n)
	}
	cut("a record of 16385 bytes", func(r []outgoing) []outgoing {
		return append(r, outgoing{content: recordHandshake, body: make([]byte, 16385)})
	})
	cut("an empty application data record first", func(r []outgoing) []outgoing { return append([]outgoing{{content: recordData}}, r...) })
	cut("an empty alert record first", func(r []outgoing) []outgoing { return append([]outgoing{{content: recordAlert}}, r...) })
	slow := func(name string, wait time.Duration, before byte) *handshake {
		return add("time", name, &script{first: func(_ *session, flight []item) []item {
			return slices.Insert(flight, messages(flight, before), pause(wait))
		}})
	}
	slow("ServerHello after 2.2 s", 2200*time.Millisecond, messageServerHello).overUDP = true
	slow("ServerHello after 4 s", 4*time.Second, messageServerHello)
	slow("ServerHelloDone after 2.2 s", 2200*time.Millisecond, messageServerHelloDone)
	add("time", "Finished after 2.2 s", &script{final: func(_ *session, flight []item) []item {
		return append([]item{pause(2200 * time.Millisecond)}, flight...)
	}}).overUDP = true
}

// ticket is the body of a NewSessionTicket with n bytes of ticket.
func ticket(n int) []byte {
	return slices.Concat([]byte{0, 0, 14, 16, byte(n >> 8), byte(n)}, bytes.Repeat([]byte{7}, n))
}

// ticketRows have odd session tickets.
func (b *bench) ticketRows(add handshakeRow) {
	sent := func(name string, body []byte) *handshake { return add("ticket", name, &script{ticket: body}) }
	sent("promised and sent", ticket(100)).overUDP = true
	sent("empty", ticket(0)).overUDP = true
	sent("message of 4095 bytes", ticket(4095-10))
	sent("message of 4096 bytes", ticket(4096-10)).overUDP = true
	sent("message of 4097 bytes", ticket(4097-10)).overUDP = true
	sent("of 8 kB", ticket(8192))
	sent("of 16 kB", ticket(16000))
	sent("longer than the message", append(ticket(10), 0)[:14])
	sent("bytes behind it", append(ticket(10), 0))
	sent("message empty", []byte{})
	unsent := add("ticket", "promised and not sent", &script{ticket: ticket(1), final: func(_ *session, flight []item) []item { return flight[1:] }})
	unsent.overUDP = true
	add("ticket", "sent and not promised", &script{final: func(_ *session, flight []item) []item {
		return append([]item{message(messageNewSessionTicket, ticket(10))}, flight...)
	}}).overUDP = true
	add("ticket", "sent twice", &script{ticket: ticket(10), final: func(_ *session, flight []item) []item {
		return append([]item{flight[0]}, flight...)
	}})
	add("ticket", "promised with a body", &script{ticket: ticket(10), hello: func(_ *session, h *serverHello) {
		h.remove(extensionTicket)
		h.add(extensionTicket, 1)
	}})
	add("ticket", "cut into two records", &script{ticket: ticket(500), finalRecords: cutAt(0, 100)})
	add("ticket", "behind ChangeCipherSpec", &script{ticket: ticket(10), final: func(_ *session, flight []item) []item {
		flight[0], flight[1] = flight[1], flight[0]
		return flight
	}})
	add("ticket", "behind Finished", &script{final: func(_ *session, flight []item) []item {
		return append(flight, message(messageNewSessionTicket, ticket(10)))
	}})
}

// finishRows have an odd second flight.
func (b *bench) finishRows(add handshakeRow) {
	final := func(name string, change func(s *session, flight []item) []item) *handshake {
		return add("finish", name, &script{final: change})
	}
	body := func(name string, change func([]byte) []byte) *handshake {
		return final(name, func(_ *session, flight []item) []item {
			make := flight[len(flight)-1].late
			flight[len(flight)-1].late = func(s *session) []byte { return change(make(s)) }
			return flight
		})
	}
	body("Finished wrong", func(v []byte) []byte { v[0] ^= 1; return v }).overUDP = true
	body("Finished empty", func([]byte) []byte { return nil })
	body("Finished of 11 bytes", func(v []byte) []byte { return v[:11] })
	body("Finished of 13 bytes", func(v []byte) []byte { return append(v, 0) }).overUDP = true
	body("Finished of 36 bytes", func(v []byte) []byte { return append(v, make([]byte, 24)...) })
	final("without ChangeCipherSpec", func(_ *session, flight []item) []item { return flight[1:] }).overUDP = true
	final("ChangeCipherSpec twice", func(_ *session, flight []item) []item { return append([]item{flight[0]}, flight...) }).overUDP = true
	ccs := func(name string, contents ...byte) *handshake {
		return final(name, func(_ *session, flight []item) []item { flight[0].body = contents; return flight })
	}
	ccs("ChangeCipherSpec of 2", 2).overUDP = true
	ccs("ChangeCipherSpec empty")
	ccs("ChangeCipherSpec of two bytes", 1, 1)
	final("Finished in the clear", func(_ *session, flight []item) []item { return flight }).script.finalRecords = func(r []outgoing) []outgoing {
		r[1].plain = true
		return r
	}
	final("Finished protected by a wrong key", func(s *session, flight []item) []item { s.out = s.in; return flight }).overUDP = true
	final("HelloRequest before ChangeCipherSpec", func(_ *session, flight []item) []item {
		request := message(messageHelloRequest, nil)
		request.hidden = true
		return append([]item{request}, flight...)
	})
	final("an unknown message before ChangeCipherSpec", func(_ *session, flight []item) []item { return append([]item{message(99, nil)}, flight...) })
	final("an unknown message instead of Finished", func(_ *session, flight []item) []item { flight[1].message = 99; return flight })
	final("a warning before ChangeCipherSpec", func(_ *session, flight []item) []item { return append([]item{alert(warning, userCanceled)}, flight...) }).overUDP = true
	final("a warning between ChangeCipherSpec and Finished", func(_ *session, flight []item) []item {
		return slices.Insert(flight, 1, alert(warning, userCanceled))
	}).overUDP = true
	final("application data before Finished", func(_ *session, flight []item) []item {
		return slices.Insert(flight, 1, record(recordData, []byte("early")))
	}).overUDP = true
	final("application data before ChangeCipherSpec", func(_ *session, flight []item) []item {
		return append([]item{record(recordData, []byte("early"))}, flight...)
	})
	final("empty application data before Finished", func(_ *session, flight []item) []item { return slices.Insert(flight, 1, record(recordData, nil)) })
	add("finish", "Finished cut into two records", &script{finalRecords: cutAt(1, 8)})
	add("finish", "Finished cut within its header", &script{finalRecords: cutAt(1, 2)})
	add("finish", "Finished and a message behind it in one record", &script{finalRecords: func(r []outgoing) []outgoing {
		r[1].body = append(r[1].body, 0, 0, 0, 0)
		return r
	}})
	add("finish", "an empty handshake record before Finished", &script{finalRecords: func(r []outgoing) []outgoing {
		return slices.Insert(r, 1, outgoing{content: recordHandshake})
	}})
	for _, n := range []int{5, 20} {
		final(fmt.Sprintf("%d warnings between ChangeCipherSpec and Finished", n), func(_ *session, flight []item) []item {
			return slices.Insert(flight, 1, slices.Repeat([]item{alert(warning, userCanceled)}, n)...)
		})
	}
}

// alertRows send a fatal alert at each step. Where the client's certificate is refused the two differ by design.
func (b *bench) alertRows(add handshakeRow) {
	add("alert", "before the hello", &script{before: []item{alert(fatal, handshakeFailure)}})
	for _, code := range []byte{handshakeFailure, protocolVersion, internalError, closeNotify, 255} {
		add("alert", fmt.Sprintf("fatal %d instead of ServerHello", code), &script{first: func(*session, []item) []item { return []item{alert(fatal, code), closes} }}).overUDP = code == handshakeFailure
	}
	add("alert", "close_notify instead of ServerHello", &script{first: func(*session, []item) []item { return []item{alert(warning, closeNotify), closes} }})
	for n, name := range []string{"ServerHello", "Certificate", "ServerKeyExchange", "CertificateRequest"} {
		add("alert", "after "+name, &script{first: func(_ *session, flight []item) []item {
			return append(flight[:n+1:n+1], alert(fatal, internalError), closes)
		}}).overUDP = n == 1
	}
	add("alert", "with ServerHelloDone", &script{first: func(_ *session, flight []item) []item { return append(flight, alert(fatal, internalError), closes) }})
	for _, code := range []byte{badCertificate, unknownCA, handshakeFailure, internalError} {
		add("refused", fmt.Sprintf("the client's certificate by alert %d", code), &script{refuse: code}).overUDP = code == unknownCA
	}
	add("refused", "the client's flight by decrypt_error", &script{final: func(*session, []item) []item { return []item{alert(fatal, decryptError), closes} }}).overUDP = true
	add("refused", "the client's flight by unknown_ca", &script{final: func(*session, []item) []item { return []item{alert(fatal, unknownCA), closes} }})
	add("refused", "the client's flight by close_notify", &script{final: func(*session, []item) []item { return []item{alert(warning, closeNotify), closes} }})
	add("refused", "the client's flight by an alert where no certificate was asked for", &script{noRequest: true, final: func(*session, []item) []item {
		return []item{alert(fatal, handshakeFailure), closes}
	}})
	add("alert", "after ChangeCipherSpec, protected", &script{final: func(_ *session, flight []item) []item { return []item{flight[0], alert(fatal, internalError), closes} }})
	add("alert", "with Finished, fatal", &script{final: func(_ *session, flight []item) []item { return append(flight, alert(fatal, internalError), closes) }}).overUDP = true
	add("alert", "with Finished, close_notify", &script{final: func(_ *session, flight []item) []item { return append(flight, alert(warning, closeNotify), closes) }}).overUDP = true
	add("alert", "after Finished, close_notify in a separate segment", &script{final: func(_ *session, flight []item) []item {
		return append(flight, pause(100*time.Millisecond), alert(warning, closeNotify), closes)
	}}).overUDP = true
	add("alert", "after Finished, fatal, in a separate segment", &script{final: func(_ *session, flight []item) []item {
		return append(flight, pause(100*time.Millisecond), alert(fatal, internalError), closes)
	}})
	add("alert", "in the clear after Finished", &script{final: func(_ *session, flight []item) []item {
		return append(flight, item{raw: []byte{recordAlert, 3, 3, 0, 2, 2, internalError}}, closes)
	}})
}

// endRows end the connection, or fall silent, at each step.
func (b *bench) endRows(add handshakeRow) {
	for _, end := range []struct {
		name string
		item item
	}{{"closed", closes}, {"reset", resets}, {"silent", silence}} {
		overUDP := end.name == "silent"
		add("end", end.name+" before the hello is read", &script{before: []item{end.item}})
		add("end", end.name+" after the hello", &script{first: func(*session, []item) []item { return []item{end.item} }})
		for n, name := range []string{"ServerHello", "Certificate", "ServerKeyExchange", "CertificateRequest"} {
			h := add("end", end.name+" after "+name, &script{first: func(_ *session, flight []item) []item { return append(flight[:n+1:n+1], end.item) }})
			h.overUDP = overUDP && n == 1
		}
		add("end", end.name+" within Certificate", &script{first: func(_ *session, flight []item) []item {
			return []item{flight[0], {raw: []byte{recordHandshake, 3, 3, 2, 0, messageCertificate, 0, 1, 0xfc}}, end.item}
		}})
		h := add("end", end.name+" after ServerHelloDone", &script{first: func(_ *session, flight []item) []item { return append(flight, end.item) }})
		h.overUDP = overUDP
		h = add("end", end.name+" after the client's flight", &script{final: func(*session, []item) []item {
			// The kernel acknowledges the flight 40 ms after it came, if nothing is sent before.
			return []item{pause(100 * time.Millisecond), end.item}
		}})
		h.overUDP = overUDP
		h = add("end", end.name+" after ChangeCipherSpec", &script{final: func(_ *session, flight []item) []item { return []item{flight[0], end.item} }})
		h.overUDP = overUDP
		add("end", end.name+" after Finished", &script{final: func(_ *session, flight []item) []item { return append(flight, end.item) }}).overUDP = overUDP
	}
	add("end", "closed after the client's flight, no certificate asked for", &script{noRequest: true, final: func(*session, []item) []item { return []item{closes} }})
}

// sessionRows are odd after the handshake, which decides nothing for the path.
func (b *bench) sessionRows(add handshakeRow) {
	add("session", "ping not answered", &script{mute: true}).overUDP = true
	pong := func(name string, answer func(s *session, request []byte) []item) *handshake {
		return add("session", name, &script{pong: answer})
	}
	reset := func(request []byte) []byte { return []byte{0x70, 0, request[2], request[3]} }
	pong("ping answered by an acknowledgement", func(_ *session, r []byte) []item { return []item{record(recordData, []byte{0x60, 0, r[2], r[3]})} }).overUDP = true
	pong("ping answered by the reset of another", func(_ *session, r []byte) []item { return []item{record(recordData, []byte{0x70, 0, r[2] + 1, r[3]})} })
	pong("ping answered by garbage", func(*session, []byte) []item {
		return []item{record(recordData, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"))}
	}).overUDP = true
	pong("ping answered by close_notify", func(*session, []byte) []item { return []item{alert(warning, closeNotify), closes} }).overUDP = true
	pong("ping answered by a fatal alert", func(*session, []byte) []item { return []item{alert(fatal, internalError), closes} })
	pong("ping answered by reset of the connection", func(*session, []byte) []item { return []item{resets} })
	pong("ping answered in two records", func(_ *session, r []byte) []item {
		return []item{record(recordData, reset(r)[:2]), record(recordData, reset(r)[2:])}
	})
	pong("an empty record before the answer", func(_ *session, r []byte) []item {
		return []item{record(recordData, nil), record(recordData, reset(r))}
	}).overUDP = true
	pong("HelloRequest before the answer", func(_ *session, r []byte) []item {
		return []item{message(messageHelloRequest, nil), record(recordData, reset(r))}
	}).overUDP = true
	pong("a warning before the answer", func(_ *session, r []byte) []item {
		return []item{alert(warning, userCanceled), record(recordData, reset(r))}
	})
	pong("ChangeCipherSpec before the answer", func(_ *session, r []byte) []item {
		return []item{record(recordChangeCipherSpec, []byte{1}), record(recordData, reset(r))}
	})
	pong("a record protected by a wrong key", func(s *session, _ []byte) []item {
		return []item{{raw: append([]byte{recordData, 3, 3, 0, 20}, make([]byte, 20)...)}}
	})
	pong("a record of 4096 bytes", func(*session, []byte) []item { return []item{record(recordData, make([]byte, 4096))} })
	pong("a record of 4097 bytes", func(*session, []byte) []item { return []item{record(recordData, make([]byte, 4097))} })
	pong("a record of 16384 bytes", func(*session, []byte) []item { return []item{record(recordData, make([]byte, 16384))} })
}

// foreignRows speak something else than TLS.
func (b *bench) foreignRows(add handshakeRow) {
	says := func(name, text string) {
		add("foreign", name, &script{first: func(*session, []item) []item { return []item{{raw: []byte(text)}, closes} }})
	}
	says("HTTP 400", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
	for _, status := range []string{"302 Found", "404 Not Found", "407 Proxy Authentication Required", "451 Unavailable For Legal Reasons", "500 Internal Server Error", "511 Network Authentication Required"} {
		says("HTTP "+status, "HTTP/1.1 "+status+"\r\nLocation: http://login.test/\r\n\r\n")
	}
	says("HTTP 403, its version in lower case", "http/1.1 403 Forbidden\r\n\r\n")
	says("HTTP 403 with a page", "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html>blocked</html>")
	says("a page without a status line", "<html><body>blocked</body></html>")
	says("an SSH banner", "SSH-2.0-OpenSSH_9.2\r\n")
	says("bytes of zero", string(make([]byte, 100)))
	says("bytes of 0xff", string(bytes.Repeat([]byte{0xff}, 100)))
	says("an SSLv2 hello", "\x80\x2e\x04\x00\x01\x00\x02")
	says("an alert of SSL 3.0", "\x15\x03\x00\x00\x02\x02\x28")
	says("an alert of TLS 1.0", "\x15\x03\x01\x00\x02\x02\x46")
	says("a record of no known type", "\x63\x03\x03\x00\x02\x02\x28")
	says("a DTLS record", "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x0e\x00\x00\x00")
	add("foreign", "the client's own hello", &script{first: func(s *session, _ []item) []item {
		return []item{message(messageClientHello, s.clientHello), closes}
	}})
}
