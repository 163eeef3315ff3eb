//go:build realpeers && linux

package names

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// row is one host name, with what the server answers about it.
type row struct {
	site    string // "" is the site with IPv4 only
	name    string
	a, aaaa response
	// edns has the responses to questions with an OPT record; nil: they are the same. libc never asks one.
	edns *[2]response
}

func (r *row) key() string {
	return cmp.Or(r.site, siteIPv4) + ": " + r.name
}

// response is the response to one question.
func (r *row) response(q *question) response {
	byType := [2]response{r.a, r.aaaa}
	if q.edns && r.edns != nil {
		byType = *r.edns
	}
	switch q.typ {
	case typeA:
		return byType[0]
	case typeAAAA:
		return byType[1]
	}
	return response{}
}

// Parts of messages. c00c is the pointer to the name asked for.
const (
	a1    = " c00c 0001 0001 0000003c 0004 cb007101 " // 203.0.113.1
	a2    = " c00c 0001 0001 0000003c 0004 cb007102 "
	aaaa1 = " c00c 001c 0001 0000003c 0010 20010db8000f00000000000000000001 " // 2001:db8:f::1
	aaaa2 = " c00c 001c 0001 0000003c 0010 20010db8000f00000000000000000002 "
	opt   = " 00 0029 04d0 00000000 0000 "
	soa   = " c00c 0006 0001 0000003c 0016 0000 00000001 00000e10 00000e10 00000e10 0000003c "
)

// answer is a message without an error: the numbers of records in the three sections, and the records.
func answer(an, ns, ar int, records ...string) string {
	return fmt.Sprintf("id 8180 0001 %04x %04x %04x q %s", an, ns, ar, strings.Join(records, " "))
}

// rcode is a message with a response code and no records.
func rcode(code int) string { return fmt.Sprintf("id %04x 0001 0000 0000 0000 q", 0x8180|code) }

// Response codes (RFC 1035 §4.1.1).
const (
	formErr  = 1
	servFail = 2
	nxDomain = 3
	notImp   = 4
	refused  = 5
	yxDomain = 6
	notAuth  = 9
)

// Responses that many rows have.
var (
	good   = udp(answer(1, 0, 0, a1))
	good6  = udp(answer(1, 0, 0, aaaa1))
	empty  = udp(answer(0, 0, 0))
	none   = udp() // silence
	short  = udp("id 8180")
	broken = udp("id 8180 0001 0001 0000 0000 q c00c 0001")
)

// record is an address record or a CNAME with another owner, class or content than usual.
func record(owner, typ, class, content string) string {
	length := len(strings.ReplaceAll(content, " ", "")) / 2
	return fmt.Sprintf(" %s %s %s 0000003c %04x %s ", owner, typ, class, length, content)
}

// cname is a CNAME record.
func cname(owner, target string) string { return record(owner, "0005", "0001", target) }

// name is a name in wire format; its labels may have any bytes.
func name(labels ...string) string {
	var b strings.Builder
	for _, label := range labels {
		fmt.Fprintf(&b, "%02x%x", len(label), label)
	}
	return b.String() + "00"
}

// address is the address record of an owner.
func address(owner string) string { return record(owner, "0001", "0001", "cb007101") }

// chain is an answer with a chain of CNAMEs before the address.
func chain(length int) string {
	records, owner := "", "c00c"
	for i := range length {
		target := name(fmt.Sprintf("c%d", i))
		records += cname(owner, target)
		owner = target
	}
	return answer(length+1, 0, 0, records, address(owner))
}

// v4only is a row whose host has an IPv4 address only.
func v4only(name string, a response) row { return row{name: name, a: a, aaaa: empty} }

// edns is a row whose server answers well, but not if the question has an OPT record.
func edns(name string, a response) row {
	return row{name: "EDNS: " + name, a: good, aaaa: empty, edns: &[2]response{a, a}}
}

// tcp is a row whose answer of type A is truncated over UDP.
func tcp(name string, truncated string, over ...string) row {
	r := v4only("truncated: "+name, response{packets: []string{truncated}, tcp: over})
	if over != nil {
		r.aaaa.tcp = empty.packets // glibc asks for both types over one connection
	}
	return r
}

func rows() []row {
	out := ednsRows()
	out = append(out, recordRows()...)
	out = append(out, cnameRows()...)
	out = append(out, messageRows()...)
	out = append(out, tcpRows()...)
	out = append(out, familyRows()...)
	out = append(out, timeRows()...)
	return append(out, orderRows()...)
}

func ednsRows() []row {
	const truncated = "id 8380 0001 0000 0000 0000 q"
	return []row{
		edns("OPT in the answer section, A in the additional section", udp(answer(1, 0, 1, opt, a1))),
		edns("SERVFAIL", udp(rcode(servFail))),
		edns("REFUSED", udp(rcode(refused))),
		edns("NXDOMAIN", udp(rcode(nxDomain))),
		edns("FORMERR", udp(rcode(formErr))),
		edns("FORMERR without the question", udp("id 8181 0000 0000 0000 0000")),
		edns("NOTIMP", udp(rcode(notImp))),
		edns("NOTIMP without the question", udp("id 8184 0000 0000 0000 0000")),
		edns("SERVFAIL without the question", udp("id 8182 0000 0000 0000 0000")),
		edns("REFUSED without the question", udp("id 8185 0000 0000 0000 0000")),
		edns("YXDOMAIN", udp(rcode(yxDomain))),
		edns("NOTAUTH", udp(rcode(notAuth))),
		edns("BADVERS", udp("id 8180 0001 0000 0000 0001 q 00 0029 04d0 01000000 0000")),
		edns("silence", none),
		edns("empty answer", empty),
		edns("empty answer with SOA", udp(answer(0, 1, 0, soa))),
		edns("no question and no answer", udp("id 8180 0000 0000 0000 0000")),
		edns("answer without the question", udp("id 8180 0000 0001 0000 0000 c00c")),
		edns("another id", udp("id+1 8180 0001 0001 0000 0000 q"+a1)),
		edns("another name in the question", udp("id 8180 0001 0001 0000 0000 q:name"+a1)),
		edns("another type in the question", udp("id 8180 0001 0001 0000 0000 q:type"+a1)),
		edns("the query echoed", udp("query")),
		edns("four bytes", short),
		edns("cut within a record", broken),
		edns("A of three bytes", udp(answer(1, 0, 0, record("c00c", "0001", "0001", "cb0071")))),
		edns("CNAME loop", udp(answer(1, 0, 0, cname("c00c", "c00c")))),
		edns("truncated, TCP closed", udp(truncated)),
		edns("truncated, good over TCP", response{packets: []string{truncated}, tcp: []string{answer(1, 0, 0, a1)}}),
		edns("two OPT records", udp(answer(1, 0, 2, a1, opt, opt))),
		edns("OPT in the authority section", udp(answer(1, 1, 0, a1, opt))),
		edns("OPT before A in the answer section", udp(answer(2, 0, 0, opt, a1))),
		edns("OPT with an owner", udp(answer(1, 0, 1, a1, record("c00c", "0029", "04d0", "")))),
		edns("OPT of version 1", udp(answer(1, 0, 1, a1, "00 0029 04d0 00010000 0000"))),
		edns("OPT longer than the message", udp(answer(1, 0, 1, a1, "00 0029 04d0 00000000 0040"))),
		edns("OPT counted and absent", udp(answer(1, 0, 1, a1))),
		edns("client subnet of family 0", udp(answer(1, 0, 1, a1, "00 0029 04d0 00000000 0008 0008 0004 0000 0000"))),
		edns("option longer than the OPT", udp(answer(1, 0, 1, a1, "00 0029 04d0 00000000 0004 000a 0100"))),
		edns("no OPT in the answer", good),
		edns("from another port", response{packets: []string{answer(1, 0, 0, a1)}, port: true}),
		{name: "EDNS: SERVFAIL for AAAA only", a: good, aaaa: good6, edns: &[2]response{good, udp(rcode(servFail))}},
		{name: "EDNS: SERVFAIL for A only", a: good, aaaa: good6, edns: &[2]response{udp(rcode(servFail)), good6}},
	}
}

func recordRows() []row {
	return []row{
		v4only("records: one A", good),
		v4only("records: SOA too short in authority", udp(answer(1, 1, 0, a1, record("c00c", "0006", "0001", "0000 00")))),
		v4only("records: NS with a bad name in authority", udp(answer(1, 1, 0, a1, record("c00c", "0002", "0001", "45 6162")))),
		v4only("records: owner beyond the end in authority", udp(answer(1, 1, 0, a1, "ffff 0002 0001 0000003c 0001 00"))),
		v4only("records: authority counted and absent", udp(answer(1, 2, 0, a1))),
		v4only("records: additional counted and absent", udp(answer(1, 0, 5, a1))),
		v4only("records: A of three bytes in additional", udp(answer(1, 0, 1, a1, record("c00c", "0001", "0001", "cb0071")))),
		v4only("records: label of type 01 in additional", udp(answer(1, 0, 1, a1, "40 0001 0001 0000003c 0004 cb007102"))),
		v4only("records: client subnet of family 0, unasked", udp(answer(1, 0, 1, a1, "00 0029 04d0 00000000 0008 0008 0004 0000 0000"))),
		v4only("records: bytes after the message", udp(answer(1, 0, 0, a1, "ffffffffffff"))),
		v4only("records: A in the additional section only", udp(answer(0, 0, 1, a1))),
		v4only("records: A in the authority section only", udp(answer(0, 1, 0, a1))),
		v4only("records: unknown type before A", udp(answer(2, 0, 0, record("c00c", "fff0", "0001", "00112233"), a1))),
		v4only("records: RRSIG after A", udp(answer(2, 0, 0, a1, record("c00c", "002e", "0001", "0001 08 02 0000003c 7fffffff 00000000 0001 00 00")))),
		v4only("records: broken RRSIG before A", udp(answer(2, 0, 0, record("c00c", "002e", "0001", "0001"), a1))),
		v4only("records: TXT only", udp(answer(1, 0, 0, record("c00c", "0010", "0001", "0161")))),
		v4only("records: broken TXT before A", udp(answer(2, 0, 0, record("c00c", "0010", "0001", "ff61"), a1))),
		v4only("records: A of class CH", udp(answer(1, 0, 0, record("c00c", "0001", "0003", "cb007101")))),
		v4only("records: A of class CH before A", udp(answer(2, 0, 0, record("c00c", "0001", "0003", "cb007102"), a1))),
		v4only("records: A of class ANY", udp(answer(1, 0, 0, record("c00c", "0001", "00ff", "cb007101")))),
		v4only("records: A of three bytes", udp(answer(1, 0, 0, record("c00c", "0001", "0001", "cb0071")))),
		v4only("records: A of five bytes", udp(answer(1, 0, 0, record("c00c", "0001", "0001", "cb00710101")))),
		v4only("records: A of no bytes", udp(answer(1, 0, 0, record("c00c", "0001", "0001", "")))),
		v4only("records: A of sixteen bytes", udp(answer(1, 0, 0, record("c00c", "0001", "0001", "20010db8000f00000000000000000001")))),
		v4only("records: A of three bytes before A", udp(answer(2, 0, 0, record("c00c", "0001", "0001", "cb0071"), a1))),
		v4only("records: A of three bytes after A", udp(answer(2, 0, 0, a1, record("c00c", "0001", "0001", "cb0071")))),
		v4only("records: A of another owner", udp(answer(1, 0, 0, address(name("other", "example"))))),
		v4only("records: A of another owner before A", udp(answer(2, 0, 0, record(name("other", "example"), "0001", "0001", "cb007102"), a1))),
		v4only("records: A of another owner after A", udp(answer(2, 0, 0, a1, record(name("other", "example"), "0001", "0001", "cb007102")))),
		v4only("records: AAAA in the answer to A", udp(answer(1, 0, 0, aaaa1))),
		v4only("records: AAAA before A in the answer to A", udp(answer(2, 0, 0, aaaa1, a1))),
		v4only("records: the owner not compressed and in upper case", udp("id 8180 0001 0001 0000 0000 q:upper c00c 0001 0001 0000003c 0004 cb007101")),
		v4only("records: the same A twice", udp(answer(2, 0, 0, a1, a1))),
		v4only("records: two A", udp(answer(2, 0, 0, a2, a1))),
		v4only("records: 30 A", udp(answer(30, 0, 0, strings.Repeat(a2, 29), a1))),
		v4only("records: 100 A", udp(answer(100, 0, 0, strings.Repeat(a2, 99), a1))),
		v4only("records: TTL 0", udp(answer(1, 0, 0, "c00c 0001 0001 00000000 0004 cb007101"))),
		v4only("records: TTL 2^31", udp(answer(1, 0, 0, "c00c 0001 0001 80000000 0004 cb007101"))),
		v4only("records: TTL 2^32-1", udp(answer(1, 0, 0, "c00c 0001 0001 ffffffff 0004 cb007101"))),
		v4only("records: two A with two TTLs", udp(answer(2, 0, 0, a2, "c00c 0001 0001 00000e10 0004 cb007101"))),
		v4only("records: one more counted than there are", udp(answer(2, 0, 0, a1))),
		v4only("records: one fewer counted than there are", udp(answer(1, 0, 0, a1, a2))),
		v4only("records: none counted", udp(answer(0, 0, 0, a1))),
		v4only("records: owner beyond the end in the answer", udp(answer(1, 0, 0, "ffff 0001 0001 0000003c 0004 cb007101"))),
		v4only("records: owner is a pointer to the flags", udp(answer(1, 0, 0, "c002 0001 0001 0000003c 0004 cb007101"))),
		v4only("records: owner is a label of type 01", udp(answer(1, 0, 0, "40 0001 0001 0000003c 0004 cb007101"))),
		v4only("records: owner is the root", udp(answer(1, 0, 0, address("00")))),
		v4only("records: content longer than the message", udp(answer(1, 0, 0, "c00c 0001 0001 0000003c 0010 cb007101"))),
		v4only("records: 0.0.0.0", udp(answer(1, 0, 0, record("c00c", "0001", "0001", "00000000")))),
		v4only("records: 127.0.0.1", udp(answer(1, 0, 0, record("c00c", "0001", "0001", "7f000001")))),
		v4only("records: 255.255.255.255 before A", udp(answer(2, 0, 0, record("c00c", "0001", "0001", "ffffffff"), a1))),
		v4only("records: 224.0.0.1 before A", udp(answer(2, 0, 0, record("c00c", "0001", "0001", "e0000001"), a1))),
		v4only("records: 10.0.0.9 before A", udp(answer(2, 0, 0, record("c00c", "0001", "0001", "0a000009"), a1))),
		v4only("records: 169.254.1.1 before A", udp(answer(2, 0, 0, record("c00c", "0001", "0001", "a9fe0101"), a1))),
	}
}

func cnameRows() []row {
	alias := func(text string, target string) row {
		return v4only("CNAME: "+text, udp(answer(2, 0, 0, cname("c00c", target), address(target))))
	}
	target := name("t")
	rows := []row{
		alias("one", target),
		alias("target with an underscore", name("_a_b", "example")),
		alias("target with a space", name("a b", "example")),
		alias("target with byte ff", name("a\xffb", "example")),
		alias("target with byte 00", name("a\x00b", "example")),
		alias("target with a backslash", name(`a\b`, "example")),
		alias("target with a dot in a label", name("a.b", "example")),
		alias("target with an asterisk", name("*", "example")),
		alias("target with a slash", name("a/b", "example")),
		alias("target with a quote", name(`a"b`, "example")),
		alias("target with a hyphen first", name("-a", "example")),
		alias("target in UTF-8", name("gerät", "example")),
		alias("target of 63 byte labels", name(strings.Repeat("a", 63), strings.Repeat("b", 63), strings.Repeat("c", 63))),
		alias("target of 255 bytes", name(strings.Repeat("a", 63), strings.Repeat("b", 63), strings.Repeat("c", 63), strings.Repeat("d", 61))),
		alias("target of 256 bytes", name(strings.Repeat("a", 63), strings.Repeat("b", 63), strings.Repeat("c", 63), strings.Repeat("d", 62))),
		alias("target is the root", "00"),
		v4only("CNAME: target in upper case, owner in lower case", udp(answer(2, 0, 0, cname("c00c", name("TARGET")), address(name("target"))))),
		v4only("CNAME: after the address", udp(answer(2, 0, 0, address(target), cname("c00c", target)))),
		v4only("CNAME: without an address", udp(answer(1, 0, 0, cname("c00c", target)))),
		v4only("CNAME: without an address, and NXDOMAIN", udp("id 8183 0001 0001 0000 0000 q"+cname("c00c", target))),
		v4only("CNAME: with an address, and NXDOMAIN", udp("id 8183 0001 0002 0000 0000 q"+cname("c00c", target)+address(target))),
		v4only("CNAME: to itself", udp(answer(1, 0, 0, cname("c00c", "c00c")))),
		v4only("CNAME: to itself, with an address", udp(answer(2, 0, 0, cname("c00c", "c00c"), a1))),
		v4only("CNAME: two in a circle", udp(answer(2, 0, 0, cname("c00c", target), cname(target, "c00c")))),
		v4only("CNAME: and an address of the same owner", udp(answer(2, 0, 0, cname("c00c", target), a1))),
		v4only("CNAME: two of the same owner, address of the first", udp(answer(3, 0, 0, cname("c00c", target), cname("c00c", name("u")), address(target)))),
		v4only("CNAME: two of the same owner, address of the second", udp(answer(3, 0, 0, cname("c00c", name("u")), cname("c00c", target), address(target)))),
		v4only("CNAME: twice the same", udp(answer(3, 0, 0, cname("c00c", target), cname("c00c", target), address(target)))),
		v4only("CNAME: address of another name", udp(answer(2, 0, 0, cname("c00c", target), address(name("u"))))),
		v4only("CNAME: two, the second first", udp(answer(3, 0, 0, cname(target, name("u")), cname("c00c", target), address(name("u"))))),
		v4only("CNAME: content longer than the target", udp(answer(2, 0, 0, cname("c00c", target+"ffff"), address(target)))),
		v4only("CNAME: target beyond the end", udp(answer(2, 0, 0, cname("c00c", "ffff"), a1))),
		v4only("CNAME: after a DNAME", udp(answer(3, 0, 0, record(name("example"), "0027", "0001", target), cname("c00c", target), address(target)))),
		v4only("CNAME: of class CH", udp(answer(2, 0, 0, record("c00c", "0005", "0003", target), address(target)))),
	}
	for _, length := range []int{2, 8, 10, 12, 15, 16, 17, 18, 30} {
		rows = append(rows, v4only(fmt.Sprintf("CNAME: chain of %d", length), udp(chain(length))))
	}
	return rows
}

func messageRows() []row {
	right := answer(1, 0, 0, a1)
	wrong := answer(1, 0, 0, a2)
	both := func(name string, r response) row { return row{name: "message: " + name, a: r, aaaa: r} }
	rows := []row{
		both("silence", none),
		both("header only", udp("id 8180 0000 0000 0000 0000")),
		both("SERVFAIL without the question", udp("id 8182 0000 0000 0000 0000")),
		both("four bytes", short),
		both("cut within a record", broken),
		v4only("message: another id", udp("id+1"+strings.TrimPrefix(right, "id"))),
		v4only("message: another id, then the right answer", udp("id+1"+strings.TrimPrefix(wrong, "id"), right)),
		v4only("message: another name in the question", udp("id 8180 0001 0001 0000 0000 q:name"+a1)),
		v4only("message: another name in the question, then the right answer", udp("id 8180 0001 0001 0000 0000 q:name"+a2, right)),
		v4only("message: another type in the question", udp("id 8180 0001 0001 0000 0000 q:type"+a1)),
		v4only("message: another type in the question, then the right answer", udp("id 8180 0001 0001 0000 0000 q:type"+a2, right)),
		v4only("message: class CH in the question", udp("id 8180 0001 0001 0000 0000 q:class"+a1)),
		v4only("message: the question in upper case", udp("id 8180 0001 0001 0000 0000 q:upper"+a1)),
		v4only("message: without the question", udp("id 8180 0000 0001 0000 0000 "+address(name("r", "coap", "example")))),
		v4only("message: two questions", udp("id 8180 0002 0001 0000 0000 q q"+a1)),
		v4only("message: a pointer loop in the question", udp("id 8180 0001 0001 0000 0000 c00c 0001 0001"+a1)),
		v4only("message: not a response", udp("id 0180 0001 0001 0000 0000 q"+a1)),
		v4only("message: not a response, then the right answer", udp("id 0180 0001 0001 0000 0000 q"+a2, right)),
		v4only("message: the query echoed, then the right answer", udp("query", right)),
		v4only("message: opcode 4", udp("id a180 0001 0001 0000 0000 q"+a1)),
		v4only("message: without RA", udp("id 8100 0001 0001 0000 0000 q"+a1)),
		v4only("message: without RD", udp("id 8080 0001 0001 0000 0000 q"+a1)),
		v4only("message: AA", udp("id 8580 0001 0001 0000 0000 q"+a1)),
		v4only("message: AD and CD", udp("id 81b0 0001 0001 0000 0000 q"+a1)),
		v4only("message: Z", udp("id 81c0 0001 0001 0000 0000 q"+a1)),
		v4only("message: twice", udp(right, right)),
		v4only("message: good, then SERVFAIL", udp(right, rcode(servFail))),
		v4only("message: SERVFAIL, then good", udp(rcode(servFail), right)),
		v4only("message: NXDOMAIN, then good", udp(rcode(nxDomain), right)),
		v4only("message: cut within a record, then good", udp(broken.packets[0], right)),
		v4only("message: from another port", response{packets: []string{right}, port: true}),
		v4only("message: from another address", response{packets: []string{right}, address: true}),
		both("referral", udp(answer(0, 1, 0, record("c00c", "0002", "0001", name("ns", "example"))))),
		both("empty", empty),
		both("empty with SOA", udp(answer(0, 1, 0, soa))),
		both("NXDOMAIN with SOA", udp("id 8183 0001 0000 0001 0000 q"+soa)),
		v4only("message: NXDOMAIN and an address", udp("id 8183 0001 0001 0000 0000 q"+a1)),
		v4only("message: SERVFAIL and an address", udp("id 8182 0001 0001 0000 0000 q"+a1)),
		v4only("message: REFUSED and an address", udp("id 8185 0001 0001 0000 0000 q"+a1)),
	}
	for code, text := range map[int]string{
		formErr: "FORMERR", servFail: "SERVFAIL", nxDomain: "NXDOMAIN", notImp: "NOTIMP", refused: "REFUSED", yxDomain: "YXDOMAIN", notAuth: "NOTAUTH",
	} {
		rows = append(rows, both(text, udp(rcode(code))))
	}
	return rows
}

func tcpRows() []row {
	const truncated = "id 8380 0001 0000 0000 0000 q"
	right := answer(1, 0, 0, a1)
	silent := v4only("truncated: TCP silent", response{packets: []string{truncated}, silent: true})
	silent.aaaa.silent = true
	return []row{
		tcp("good over TCP", truncated, right),
		tcp("TCP closed", truncated),
		silent,
		tcp("with an address, another over TCP", "id 8380 0001 0001 0000 0000 q"+a2, right),
		tcp("with an address, TCP closed", "id 8380 0001 0001 0000 0000 q"+a1),
		tcp("cut within a record, good over TCP", "id 8380 0001 0002 0000 0000 q"+a1+"c00c 0001", right),
		tcp("header only, good over TCP", "id 8380 0000 0000 0000 0000", right),
		tcp("truncated over TCP too", truncated, truncated),
		tcp("another id over TCP", truncated, "id+1"+strings.TrimPrefix(right, "id")),
		tcp("SERVFAIL over TCP", truncated, rcode(servFail)),
		tcp("NXDOMAIN over TCP", truncated, rcode(nxDomain)),
		tcp("100 A over TCP", truncated, answer(100, 0, 0, strings.Repeat(a2, 99), a1)),
		tcp("NXDOMAIN, truncated", "id 8383 0001 0000 0000 0000 q", rcode(nxDomain)),
		tcp("SERVFAIL, truncated", "id 8382 0001 0000 0000 0000 q", right),
	}
}

// familyRows are hosts of which one family is answered well, in a site that has both.
func familyRows() (rows []row) {
	bad := map[string]response{
		"SERVFAIL": udp(rcode(servFail)), "NXDOMAIN": udp(rcode(nxDomain)), "REFUSED": udp(rcode(refused)), "FORMERR": udp(rcode(formErr)),
		"NOTIMP": udp(rcode(notImp)), "YXDOMAIN": udp(rcode(yxDomain)), "silence": none, "empty": empty, "empty with SOA": udp(answer(0, 1, 0, soa)),
		"four bytes": short, "cut within a record": broken, "another id": udp("id+1 8180 0001 0000 0000 0000 q"),
		"CNAME without an address":      udp(answer(1, 0, 0, cname("c00c", name("t")))),
		"truncated, TCP closed":         udp("id 8380 0001 0000 0000 0000 q"),
		"SERVFAIL without the question": udp("id 8182 0000 0000 0000 0000"),
	}
	for text, r := range bad {
		rows = append(rows, row{site: siteDual, name: "family: A good, AAAA " + text, a: good, aaaa: r},
			row{site: siteDual, name: "family: AAAA good, A " + text, a: r, aaaa: good6})
	}
	return append(rows,
		row{site: siteDual, name: "family: A in the answer to AAAA", a: good, aaaa: good},
		row{site: siteDual, name: "family: AAAA in the answer to A", a: good6, aaaa: good6},
		row{site: siteDual, name: "family: AAAA 3 s after A", a: good, aaaa: response{packets: good6.packets, delay: 3 * time.Second}},
		row{site: siteDual, name: "family: A 3 s after AAAA", a: response{packets: good.packets, delay: 3 * time.Second}, aaaa: good6},
	)
}

func timeRows() []row {
	later := func(r response, d time.Duration) response { r.delay = d; return r }
	lost := func(n int) response { return response{packets: good.packets, lost: n} }
	return []row{
		{name: "time: both after 3 s", a: later(good, 3*time.Second), aaaa: later(empty, 3*time.Second)},
		{name: "time: both after 4 s", a: later(good, 4*time.Second), aaaa: later(empty, 4*time.Second)},
		{name: "time: both after 7 s", a: later(good, 7*time.Second), aaaa: later(empty, 7*time.Second)},
		{name: "time: NXDOMAIN after 3 s", a: later(udp(rcode(nxDomain)), 3*time.Second), aaaa: later(udp(rcode(nxDomain)), 3*time.Second)},
		{name: "time: A after 3 s", a: later(good, 3*time.Second), aaaa: empty},
		{name: "time: AAAA empty after 3 s", a: good, aaaa: later(empty, 3*time.Second)},
		{name: "time: first question lost", a: lost(1), aaaa: empty},
		{name: "time: two questions lost", a: lost(2), aaaa: empty},
		{name: "time: first questions of both lost", a: lost(1), aaaa: response{packets: empty.packets, lost: 1}},
	}
}

// orderRows are hosts with several addresses, in every site.
func orderRows() (rows []row) {
	v6 := func(hex string) string { return record("c00c", "001c", "0001", hex) }
	const (
		global1  = "20010db8000f00000000000000000001"
		near     = "20010db8000100000000000000000077" // shares 64 bits with the site's global address
		local    = "fd00000f000000000000000000000001"
		nearUL   = "fd000001000000000000000000000077" // shares 64 bits with the site's unique local address
		mapped   = "00000000000000000000ffffcb007109" // ::ffff:203.0.113.9
		sixTo4   = "2002cb00710100000000000000000001"
		teredo   = "20010000cb0071010000000000000001"
		loopback = "00000000000000000000000000000001"
		linkOnly = "fe800000000000000000000000000001"
		nat64    = "0064ff9b0000000000000000cb007101"
	)
	hosts := []struct {
		name    string
		a, aaaa response
	}{
		{"A and AAAA", good, good6},
		{"AAAA only", empty, good6},
		{"A and unique local", good, udp(answer(1, 0, 0, v6(local)))},
		{"unique local and global", empty, udp(answer(2, 0, 0, v6(local), v6(global1)))},
		{"global and unique local", good, udp(answer(2, 0, 0, v6(global1), v6(local)))},
		{"a far and a near global", good, udp(answer(2, 0, 0, v6(global1), v6(near)))},
		{"a far and a near unique local", good, udp(answer(2, 0, 0, v6(local), v6(nearUL)))},
		{"two A, two AAAA", udp(answer(2, 0, 0, a2, a1)), udp(answer(2, 0, 0, aaaa2, aaaa1))},
		{"A and 6to4", good, udp(answer(1, 0, 0, v6(sixTo4)))},
		{"A and Teredo", good, udp(answer(1, 0, 0, v6(teredo)))},
		{"6to4 and Teredo and global", good, udp(answer(3, 0, 0, v6(sixTo4), v6(teredo), v6(global1)))},
		{"mapped only", empty, udp(answer(1, 0, 0, v6(mapped)))},
		{"A and loopback", good, udp(answer(1, 0, 0, v6(loopback)))},
		{"A and unspecified", good, udp(answer(1, 0, 0, v6(strings.Repeat("0", 32))))},
		{"A and link-local", good, udp(answer(1, 0, 0, v6(linkOnly)))},
		{"A and NAT64", good, udp(answer(1, 0, 0, v6(nat64)))},
		{"private A, public A and AAAA", udp(answer(2, 0, 0, record("c00c", "0001", "0001", "0a000009"), a1)), good6},
		{"loopback A and AAAA", udp(answer(1, 0, 0, record("c00c", "0001", "0001", "7f000001"))), good6},
		{"link-local A, public A", udp(answer(2, 0, 0, record("c00c", "0001", "0001", "a9fe0101"), a1)), empty},
	}
	for _, s := range sites {
		for _, h := range hosts {
			rows = append(rows, row{site: s.name, name: "order: " + h.name, a: h.a, aaaa: h.aaaa})
		}
	}
	return rows
}
