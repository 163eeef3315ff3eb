//go:build realpeers && linux

package names

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// response is what the server sends in answer to one question.
type response struct {
	packets []string      // in the form of [assemble], one after the other
	tcp     []string      // the same over TCP; nil: the connection is closed
	silent  bool          // over TCP, instead of closing the connection
	lost    int           // questions of one client and type that are not answered at first
	delay   time.Duration // before the answer
	port    bool          // the answer comes from another port
	address bool          // the answer comes from another address
}

// udp is a response of datagrams only.
func udp(packets ...string) response { return response{packets: packets} }

// The types of questions.
const (
	typeA    = 1
	typeAAAA = 28
)

// question is what the server reads of a query.
type question struct {
	id      []byte
	name    []byte // in wire format
	typ     uint16
	section []byte // the whole question section
	edns    bool
	packet  []byte
}

// parseQuestion reads a query of one of the three clients, whose names are not compressed.
func parseQuestion(packet []byte) (q question, err error) {
	const header = 12
	at := header
	for at < len(packet) && packet[at] != 0 {
		at += int(packet[at]) + 1
	}
	if len(packet) < at+5 {
		return q, fmt.Errorf("short query % x", packet)
	}
	q = question{id: packet[:2], name: packet[header : at+1], typ: binary.BigEndian.Uint16(packet[at+1:]), section: packet[header : at+5], packet: packet}
	q.edns = binary.BigEndian.Uint16(packet[10:]) == 1
	return q, nil
}

// row is the row of the table that the name asked for belongs to; its first label is "r" and the number of the row.
func (q *question) row() (int, error) {
	label := string(q.name[1 : 1+q.name[0]])
	return strconv.Atoi(strings.TrimPrefix(strings.ToLower(label), "r"))
}

// assemble makes the bytes of a packet from its text: hexadecimal digits, and words that stand for parts of the query:
//
//	id         the id of the query; id+1 another one
//	q          the question
//	q:upper    the question with the name in upper case
//	q:name     the question with another name of the same length
//	q:type     the question with another type
//	q:class    the question with another class
//	query      the whole query as it was
func assemble(text string, q *question) []byte {
	var out []byte
	for _, word := range strings.Fields(text) {
		section := append([]byte(nil), q.section...)
		end := len(section)
		switch word {
		case "id":
			out = append(out, q.id...)
		case "id+1":
			out = append(out, q.id[0], q.id[1]+1)
		case "q":
			out = append(out, section...)
		case "q:upper":
			out = append(append(out, strings.ToUpper(string(section[:end-4]))...), section[end-4:]...)
		case "q:name":
			section[1] = 'x'
			out = append(out, section...)
		case "q:type":
			section[end-3] = 15
			out = append(out, section...)
		case "q:class":
			section[end-1] = 3
			out = append(out, section...)
		case "query":
			out = append(out, q.packet...)
		default:
			raw, err := hex.DecodeString(word)
			if err != nil {
				panic(fmt.Sprintf("%s in %q: %v", word, text, err))
			}
			out = append(out, raw...)
		}
	}
	return out
}

// server answers from the table, in a namespace.
type server struct {
	t    testing.TB
	rows []row

	conn, otherPort, otherAddress net.PacketConn

	mu    sync.Mutex
	asked map[string]int // questions by client and type
}

// The ports of the server.
const (
	dnsPort   = 53
	wrongPort = 5353
)

// tcpPatience is how long a TCP connection stays open: longer than the exporter waits. glibc has no limit.
const tcpPatience = 6 * time.Second

// secondType is how much later an answer to AAAA is sent than one to A.
const secondType = 100 * time.Millisecond

// startServer listens in the namespace. It ends with the test.
func startServer(t testing.TB, n *namespace, rows []row, at, other netip.Addr) {
	t.Helper()
	s := &server{t: t, rows: rows, asked: make(map[string]int)}
	var listener net.Listener
	var errs [4]error
	n.do(func() {
		s.conn, errs[0] = net.ListenPacket("udp", netip.AddrPortFrom(at, dnsPort).String())
		s.otherPort, errs[1] = net.ListenPacket("udp", netip.AddrPortFrom(at, wrongPort).String())
		s.otherAddress, errs[2] = net.ListenPacket("udp", netip.AddrPortFrom(other, dnsPort).String())
		listener, errs[3] = net.Listen("tcp", netip.AddrPortFrom(at, dnsPort).String())
	})
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	all.Go(func() { s.serveUDP(&all) })
	all.Go(func() { s.serveTCP(listener, &all) })
	t.Cleanup(func() {
		for _, c := range []io.Closer{s.conn, listener} {
			_ = c.Close()
		}
		all.Wait()
		_, _ = s.otherPort.Close(), s.otherAddress.Close()
	})
}

func (s *server) serveUDP(all *sync.WaitGroup) {
	for {
		buffer := make([]byte, 512)
		n, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		all.Go(func() { s.answerUDP(buffer[:n], from) })
	}
}

// ipv4Only begins the name, in wire format, that the exporter asks for to learn the prefix of NAT64 (RFC 7050).
const ipv4Only = "\x08ipv4only"

// find returns the response to a query.
func (s *server) find(packet []byte) (q question, r response, ok bool) {
	q, err := parseQuestion(packet)
	if err == nil && strings.HasPrefix(string(q.name), ipv4Only) {
		return q, empty, true // no site has NAT64
	}
	if err == nil {
		var number int
		if number, err = q.row(); err == nil && number < len(s.rows) {
			return q, s.rows[number].response(&q), true
		}
	}
	s.t.Errorf("query % x: %v", packet, err)
	return q, r, false
}

func (s *server) answerUDP(packet []byte, from net.Addr) {
	q, r, ok := s.find(packet)
	if !ok {
		return
	}
	key := fmt.Sprintf("%s %s %d", q.name, from, q.typ)
	s.mu.Lock()
	s.asked[key]++
	n := s.asked[key]
	s.mu.Unlock()
	if n <= r.lost {
		return
	}
	delay := r.delay
	if q.typ == typeAAAA {
		delay += secondType // glibc may find something else if the answers arrive in the other order
	}
	<-time.After(delay)
	conn := s.conn
	switch {
	case r.port:
		conn = s.otherPort
	case r.address:
		conn = s.otherAddress
	}
	for _, text := range r.packets {
		_, _ = conn.WriteTo(assemble(text, &q), from) // the client may have ended
	}
}

func (s *server) serveTCP(listener net.Listener, all *sync.WaitGroup) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		all.Go(func() { s.answerTCP(conn) })
	}
}

// answerTCP answers the questions of one connection.
func (s *server) answerTCP(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(tcpPatience))
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		packet := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, packet); err != nil {
			return
		}
		q, r, ok := s.find(packet)
		switch {
		case !ok, r.tcp == nil && !r.silent:
			return
		case r.silent:
			continue // until the client ends
		}
		for _, text := range r.tcp {
			answer := assemble(text, &q)
			_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
		}
	}
}
