//go:build realpeers && linux

package dns

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
)

// A device resolves with getaddrinfo, so glibc and musl are the reference: in a network namespace they and the exporter
// ask the same DNS server, which answers from a table.

// libcAnswer answers a question of one type; nil: silence. withOPT reports whether the question had an OPT record.
type libcAnswer func(q *dns.Msg, withOPT bool) [][]byte

// libcCase is one host of the table.
type libcCase struct {
	name    string
	a, aaaa libcAnswer
	delay   time.Duration // of every answer
	order   bool          // asked at every site, since the order of addresses depends on it
	// intended is why the exporter differs from glibc by design, by site; "": it must not.
	intended map[string]string
}

// libcSites are the IPv6 addresses of this machine, with a default route each; "" is a site without IPv6.
var libcSites = []string{"2001:db8:9::9", "fd00:9::9", "fe80::9", ""}

const (
	libcV4 = "203.0.113.31"
	libcV6 = "2001:db8:5::1"
)

// insideNamespace in the environment makes this binary the part that runs in the namespace. Its value is the directory
// of the C programs. insideSite is then the site.
const (
	insideNamespace = "ENDPOINT_GETADDRINFO"
	insideSite      = "ENDPOINT_GETADDRINFO_SITE"
)

func init() {
	if dir := os.Getenv(insideNamespace); dir != "" {
		if err := runInside(dir, os.Getenv(insideSite)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// libcResult is what one asker makes of a name.
type libcResult struct {
	First string // the first address; "": the name does not resolve
	All   int    // addresses
	Took  time.Duration
}

func (r libcResult) String() string {
	if r.First == "" {
		return "no"
	}
	return fmt.Sprintf("%s (of %d)", r.First, r.All)
}

// libcRow is a line of results.
type libcRow struct{ Exporter, Glibc, Musl libcResult }

// TestGetaddrinfo compares the exporter with getaddrinfo.
func TestGetaddrinfo(t *testing.T) {
	dir := t.TempDir()
	for compiler, program := range map[string]string{"gcc": "glibc", "musl-gcc": "musl"} {
		build := exec.Command(compiler, "-O1", "-Wall", "-o", filepath.Join(dir, program), "testdata/getaddrinfo.c")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", compiler, err, out)
		}
	}
	var table strings.Builder
	for i, site := range libcSites {
		fmt.Fprintf(&table, "%s\n\n", cmp.Or(site, "without IPv6"))
		compareAt(t, &table, dir, site, i == 0)
		fmt.Fprintln(&table)
	}
	golden.Equal(t, "testdata/getaddrinfo.txt", table.String())
}

// compareAt asks at one site for every case, or for those whose order depends on the site.
func compareAt(t *testing.T, table io.Writer, dir, site string, all bool) {
	t.Helper()
	inside := exec.Command("unshare", "--net", "--mount", "--propagation", "private", os.Args[0])
	inside.Env = append(os.Environ(), insideNamespace+"="+dir, insideSite+"="+site)
	var stdout, stderr bytes.Buffer
	inside.Stdout, inside.Stderr = &stdout, &stderr
	if err := inside.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var rows []libcRow
	if err := json.Unmarshal(stdout.Bytes(), &rows); err != nil {
		t.Fatalf("%v\n%s", err, stdout.String())
	}
	cases := libcCases()
	if len(rows) != len(cases) || len(cases) < 80 {
		t.Fatalf("%d results of %d cases", len(rows), len(cases))
	}
	for i, c := range cases {
		r := rows[i]
		if !all && !c.order {
			continue
		}
		fmt.Fprintf(table, "%-58s exporter %-26s glibc %-26s musl %s\n", c.name, r.Exporter, r.Glibc, r.Musl)
		if differs := r.Exporter.First != r.Glibc.First; differs != (c.intended[site] != "") {
			t.Errorf("%s: exporter %s after %v, glibc %s after %v, musl %s after %v; intended: %q", c.name,
				r.Exporter, r.Exporter.Took, r.Glibc, r.Glibc.Took, r.Musl, r.Musl.Took, c.intended[site])
		}
		if late := r.Exporter.Took - r.Glibc.Took; r.Glibc.First != "" && c.intended[site] == "" && late > 2500*time.Millisecond { // of which 1.8 s until the first question without EDNS
			t.Errorf("%s: the exporter needs %v, glibc %v", c.name, r.Exporter.Took, r.Glibc.Took)
		}
		if why := c.intended[site]; why != "" {
			fmt.Fprintf(table, "    by design: %s\n", why)
		}
	}
}

// runInside prepares the namespace, serves the table at 127.0.0.1:53, and writes the results to the standard output.
func runInside(dir, site string) error {
	conf := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.1\n"), 0o600); err != nil {
		return err
	}
	commands := [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "addr", "add", "192.0.2.9/24", "dev", "lo"},
		{"ip", "route", "add", "default", "dev", "lo"},
		{"mount", "--bind", conf, "/etc/resolv.conf"},
	}
	if site != "" {
		commands = append(commands,
			[]string{"ip", "addr", "add", site + "/64", "dev", "lo", "nodad"},
			[]string{"ip", "-6", "route", "add", "default", "dev", "lo"})
	}
	for _, command := range commands {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", command, err, out)
		}
	}
	cases := libcCases()
	stop, err := serveTable(cases)
	if err != nil {
		return err
	}
	defer stop()
	rows := make([]libcRow, len(cases))
	errs := make([]error, len(cases))
	var all sync.WaitGroup
	slots := make(chan struct{}, 24)
	for i, c := range cases {
		if site != libcSites[0] && !c.order {
			continue
		}
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			name := fmt.Sprintf("h%d.example", i)
			rows[i].Exporter = exporterLookup(name)
			var err1, err2 error
			rows[i].Glibc, err1 = libcLookup(filepath.Join(dir, "glibc"), name)
			rows[i].Musl, err2 = libcLookup(filepath.Join(dir, "musl"), name)
			errs[i] = errors.Join(err1, err2)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(rows)
}

// exporterLookup looks a name up as the survey does. Each name has its own client, so that what it learns of EDNS helps
// none of the others.
func exporterLookup(name string) libcResult {
	began := time.Now()
	l := Lookup(context.Background(), new(Client), netip.MustParseAddrPort("127.0.0.1:53"), name+".", MaxPatience)
	out := libcResult{All: len(l.Addresses), Took: time.Since(began)}
	var destinations []route.Destination
	for _, addr := range l.Addresses {
		source, ok := route.Source(netip.AddrPortFrom(addr, 5684))
		destinations = append(destinations, route.Destination{Addr: addr, Source: source, Routed: ok})
	}
	route.Sort(destinations)
	if len(destinations) > 0 {
		out.First = destinations[0].Addr.String()
	}
	return out
}

func libcLookup(program, name string) (libcResult, error) {
	out, err := exec.Command(program, name).Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 {
		return libcResult{}, fmt.Errorf("%s %s: %w: %s", program, name, err, out)
	}
	took, err := time.ParseDuration(fields[1] + "ms")
	r := libcResult{All: len(fields) - 2, Took: took}
	if r.All > 0 {
		r.First = fields[2]
	}
	return r, err
}

// serveTable serves the cases over UDP and TCP.
func serveTable(cases []libcCase) (stop func(), err error) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:53")
	if err != nil {
		return nil, err
	}
	answer := func(packet []byte, stream bool) [][]byte {
		q := new(dns.Msg)
		var i int
		if q.Unpack(packet) != nil || len(q.Question) != 1 {
			return nil
		}
		if _, err := fmt.Sscanf(strings.ToLower(q.Question[0].Name), "h%d.example.", &i); err != nil || i >= len(cases) {
			return nil
		}
		c := cases[i]
		time.Sleep(c.delay) //nolint:forbidigo // the server's delay, in its own process
		by := c.a
		if q.Question[0].Qtype == dns.TypeAAAA {
			by = c.aaaa
		}
		if by == nil {
			return nil
		}
		if stream {
			q.Response = true // marks the transport for answers that depend on it
		}
		return by(q, q.IsEdns0() != nil)
	}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			packet := append([]byte(nil), buffer[:n]...)
			go func() {
				for _, reply := range answer(packet, false) {
					_, _ = packets.WriteTo(reply, from)
				}
			}()
		}
	}()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					packet, err := readFrame(conn)
					if err != nil {
						return
					}
					for _, reply := range answer(packet, true) {
						_, _ = conn.Write(append([]byte{byte(len(reply) >> 8), byte(len(reply))}, reply...))
					}
				}
			}()
		}
	}()
	return func() { packets.Close(); listener.Close() }, nil
}

// plainReply is reply to a question that serveTable may have marked.
func plainReply(q *dns.Msg, records ...string) *dns.Msg {
	asked := q.Copy()
	asked.Response = false
	asked.Extra = nil
	m := reply(asked, records...)
	m.RecursionAvailable = true
	return m
}

// libcRecord is the record of a question's type.
func libcRecord(q *dns.Msg) string {
	if q.Question[0].Qtype == dns.TypeAAAA {
		return q.Question[0].Name + " 60 IN AAAA " + libcV6
	}
	return q.Question[0].Name + " 60 IN A " + libcV4
}

// Answers of the table.
var (
	libcGood   libcAnswer = func(q *dns.Msg, _ bool) [][]byte { return one(plainReply(q, libcRecord(q))) }
	libcNoData libcAnswer = func(q *dns.Msg, _ bool) [][]byte { return one(plainReply(q)) }
)

// libcRcode answers with a response code.
func libcRcode(code int) libcAnswer {
	return func(q *dns.Msg, _ bool) [][]byte {
		m := plainReply(q)
		m.Rcode = code
		return one(m)
	}
}

// withOPTOnly answers questions with an OPT record in its own way, and others well.
func withOPTOnly(bad, well libcAnswer) libcAnswer {
	return func(q *dns.Msg, withOPT bool) [][]byte {
		if !withOPT {
			return well(q, false)
		}
		if bad == nil {
			return nil
		}
		return bad(q, true)
	}
}

// changed is a good answer that is changed before it is packed.
func changed(change func(m *dns.Msg)) libcAnswer {
	return func(q *dns.Msg, _ bool) [][]byte {
		m := plainReply(q, libcRecord(q))
		change(m)
		return one(m)
	}
}

// bytesChanged is a good answer whose packet is changed.
func bytesChanged(change func(p []byte) []byte) libcAnswer {
	return func(q *dns.Msg, _ bool) [][]byte { return [][]byte{change(pack(plainReply(q, libcRecord(q))))} }
}

// appended is a good answer with records in hex after the answer section, whose counts are given.
func appended(ns, ar byte, text string) libcAnswer {
	return bytesChanged(func(p []byte) []byte {
		more, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			panic(err)
		}
		p[9], p[11] = ns, ar
		return append(p, more...)
	})
}

// libcCases is the table.
func libcCases() []libcCase {
	kinds := []struct {
		name string
		is   libcAnswer
	}{
		{"good", libcGood}, {"no data", libcNoData}, {"NXDOMAIN", libcRcode(dns.RcodeNameError)}, {"SERVFAIL", libcRcode(dns.RcodeServerFailure)},
		{"REFUSED", libcRcode(dns.RcodeRefused)}, {"FORMERR", libcRcode(dns.RcodeFormatError)}, {"NOTIMP", libcRcode(dns.RcodeNotImplemented)},
		{"silence", nil},
	}
	var out []libcCase
	for _, a := range kinds {
		for _, aaaa := range kinds {
			out = append(out, libcCase{name: "A " + a.name + ", AAAA " + aaaa.name, a: a.is, aaaa: aaaa.is})
		}
	}
	add := func(name string, a, aaaa libcAnswer) { out = append(out, libcCase{name: name, a: a, aaaa: aaaa}) }

	// Servers that cannot handle an OPT record.
	for _, bad := range kinds[1:] {
		add("with OPT "+bad.name+", else A good", withOPTOnly(bad.is, libcGood), withOPTOnly(bad.is, libcNoData))
	}
	add("with OPT a misplaced OPT, else A good", withOPTOnly(func(q *dns.Msg, _ bool) [][]byte {
		p := pack(plainReply(q))
		p[7], p[11] = 1, 1 // the OPT record in the answer section, the address in the additional one
		p = append(p, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0)
		return [][]byte{append(p, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 31)}
	}, libcGood), libcNoData)
	add("with OPT a broken answer, else A good", withOPTOnly(bytesChanged(func(p []byte) []byte { return p[:len(p)-3] }), libcGood), libcNoData)

	// Sections other than the answer section.
	add("a client subnet option of family 0", appended(0, 1, "00 0029 04d0 00000000 000c 0008 0008 0000 1800 c6336400"), libcNoData)
	add("an option longer than the OPT record", appended(0, 1, "00 0029 04d0 00000000 0004 0008 0fff"), libcNoData)
	add("a bad SOA record in the authority section", appended(1, 0, "c00c 0006 0001 0000003c 0002 ffff"), libcNoData)
	add("the additional section breaks off", appended(0, 2, "c00c 0001 0001 00"), libcNoData)
	add("more authority records than there are", appended(5, 0, ""), libcNoData)
	add("bytes after the message", appended(0, 0, "0102030405"), libcNoData)

	// The answer section.
	add("the answer breaks off in its record", bytesChanged(func(p []byte) []byte { return p[:len(p)-3] }), libcNoData)
	add("more answers than there are", bytesChanged(func(p []byte) []byte { p[7] = 2; return p }), libcNoData)
	add("an A record of three bytes", bytesChanged(func(p []byte) []byte { p[len(p)-5] = 3; return p[:len(p)-1] }), libcNoData)
	add("an RRSIG that cannot be read before the address", func(q *dns.Msg, _ bool) [][]byte {
		p := pack(plainReply(q))
		p[7] = 2
		p = append(p, 0xc0, 12, 0, 46, 0, 1, 0, 0, 0, 60, 0, 1, 0)
		return [][]byte{append(p, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 31)}
	}, libcNoData)
	add("class CHAOS", changed(func(m *dns.Msg) { m.Answer[0].Header().Class = dns.ClassCHAOS }), libcNoData)
	add("an address of another owner", changed(func(m *dns.Msg) { m.Answer[0].Header().Name = "other.example." }), libcNoData)
	add("the owner in capitals", changed(func(m *dns.Msg) { m.Answer[0].Header().Name = strings.ToUpper(m.Answer[0].Header().Name) }), libcNoData)
	add("AA set, RA clear", changed(func(m *dns.Msg) { m.Authoritative, m.RecursionAvailable = true, false }), libcNoData)
	add("AD and CD set", changed(func(m *dns.Msg) { m.AuthenticatedData, m.CheckingDisabled = true, true }), libcNoData)
	add("TTL 0", changed(func(m *dns.Msg) { m.Answer[0].Header().Ttl = 0 }), libcNoData)
	add("a TTL with its sign bit", changed(func(m *dns.Msg) { m.Answer[0].Header().Ttl = 1<<31 + 7 }), libcNoData)
	chain := func(target string) libcAnswer {
		return func(q *dns.Msg, _ bool) [][]byte {
			return one(plainReply(q, q.Question[0].Name+" 60 IN CNAME "+target, target+" 60 IN A "+libcV4))
		}
	}
	add("a CNAME", chain("edge.example."), libcNoData)
	add("a CNAME with an underscore", chain("_edge.example."), libcNoData)
	add("a CNAME with a space", chain(`ed\032ge.example.`), libcNoData)
	add("a CNAME with bytes beyond ASCII", chain(`\233\001.example.`), libcNoData)
	add("a CNAME whose address comes first", func(q *dns.Msg, _ bool) [][]byte {
		return one(plainReply(q, "edge.example. 60 IN A "+libcV4, q.Question[0].Name+" 60 IN CNAME edge.example."))
	}, libcNoData)
	add("a CNAME without its address", func(q *dns.Msg, _ bool) [][]byte {
		return one(plainReply(q, q.Question[0].Name+" 60 IN CNAME edge.example."))
	}, libcNoData)
	add("a CNAME that leads to itself", func(q *dns.Msg, _ bool) [][]byte {
		return one(plainReply(q, q.Question[0].Name+" 60 IN CNAME "+q.Question[0].Name))
	}, libcNoData)
	add("a DNAME with its CNAME", func(q *dns.Msg, _ bool) [][]byte {
		return one(plainReply(q, "example. 60 IN DNAME example.net.", q.Question[0].Name+" 60 IN CNAME h.example.net.", "h.example.net. 60 IN A "+libcV4))
	}, libcNoData)

	// The header and the question.
	add("another id first", func(q *dns.Msg, w bool) [][]byte {
		p := libcGood(q, w)[0]
		bad := append([]byte(nil), p...)
		bad[0]++
		return [][]byte{bad, p}
	}, libcNoData)
	add("a query first", func(q *dns.Msg, w bool) [][]byte {
		p := libcGood(q, w)[0]
		bad := append([]byte(nil), p...)
		bad[2] &= 0x7f
		return [][]byte{bad, p}
	}, libcNoData)
	add("the question in mixed case", changed(func(m *dns.Msg) { m.Question[0].Name = strings.ToUpper(m.Question[0].Name) }), libcNoData)
	add("twice the same answer", func(q *dns.Msg, w bool) [][]byte { return append(libcGood(q, w), libcGood(q, w)...) }, libcNoData)
	truncated := func(whole libcAnswer) libcAnswer {
		return func(q *dns.Msg, w bool) [][]byte {
			if q.Response { // over TCP
				if whole == nil {
					return nil
				}
				return whole(q, w)
			}
			m := plainReply(q)
			m.Truncated = true
			return one(m)
		}
	}
	add("truncated, complete over TCP", truncated(libcGood), libcNoData)
	add("truncated, SERVFAIL over TCP", truncated(libcRcode(dns.RcodeServerFailure)), libcNoData)

	// Time.
	for _, delay := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second} {
		out = append(out, libcCase{name: fmt.Sprintf("answers after %v", delay), a: libcGood, aaaa: libcNoData, delay: delay})
	}

	// Order.
	addresses := func(texts ...string) libcAnswer {
		return func(q *dns.Msg, _ bool) [][]byte {
			var records []string
			for _, text := range texts {
				typ := "A"
				if strings.Contains(text, ":") {
					typ = "AAAA"
				}
				records = append(records, q.Question[0].Name+" 60 IN "+typ+" "+text)
			}
			return one(plainReply(q, records...))
		}
	}
	first := len(out)
	add("both families", libcGood, libcGood)
	add("IPv4 addresses: the given order", addresses("203.0.113.9", "203.0.113.1", "203.0.113.5"), libcNoData)
	add("two IPv6 addresses: the longer common prefix", libcNoData, addresses("2001:db8:f000::1", "2001:db8:9::1"))
	add("a 6to4 address and IPv4", libcGood, addresses("2002:cb00:711f::1"))
	add("a Teredo address and IPv4", libcGood, addresses("2001:0:1::1"))
	add("a site-local address and IPv4", libcGood, addresses("fec0::1"))
	add("a unique local address and IPv4", libcGood, addresses("fd64::1"))
	out[len(out)-1].intended = map[string]string{
		"fd00:9::9": "glibc has the policy table of RFC 3484, in which unique local addresses have the precedence of global ones",
	}
	add("a link-local address and IPv4", libcGood, addresses("fe80::1"))
	add("an address behind NAT64 and IPv4", libcGood, addresses("64:ff9b::cb00:711f"))
	for i := range out[first:] {
		out[first+i].order = true
	}
	return out
}
