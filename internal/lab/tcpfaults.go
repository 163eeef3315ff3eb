package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"time"
)

// helloTimeout is how long a front waits for a client's hello, and how long it keeps a connection that it does not
// answer.
const helloTimeout = time.Minute

const blockPage = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" +
	"<html><head><title>Blocked</title></head><body><h1>Access denied</h1>" +
	"<p>This site is blocked by your organisation's policy.</p></body></html>\n"

// inflict applies the setting to one connection. It returns when the connection has ended or may be closed.
func (f *tcpFront) inflict(conn stream, s *setting) {
	switch s.fault {
	case ResetAfterHello:
		if _, err := readRecord(conn); err == nil {
			_ = conn.SetLinger(0) // close then sends RST instead of FIN
		}
	case CloseAfterHello:
		_, _ = readRecord(conn)
	case Silence:
		drain(conn)
	case BlockPage:
		f.reply(conn, []byte(blockPage))
	case Garbage:
		f.reply(conn, garbage())
	case Alert:
		f.reply(conn, []byte{contentAlert, 3, 3, 0, 2, 2, byte(s.count)})
	case Endless:
		endless(conn)
	case Drip:
		f.serve(&dripping{Conn: conn, ctx: f.ctx}, s, f.web)
	case SplitRecords:
		f.serve(&splitting{Conn: conn}, s, f.web)
	case Slow:
		f.serve(delayed(f.ctx, &f.wg, conn, s.delay), s, f.web)
	case NATForgets, NATResets:
		translate(f.ctx, &f.wg, conn, s, func(far net.Conn) { f.serve(far, s, f.web) })
	case ResetAfterCertificate:
		_ = conn.SetLinger(0) // close then sends RST instead of FIN
		f.serve(conn, s, f.web)
	case Intercept, InterceptNoCCM, InterceptNegativeSerial:
		f.intercept(conn, s)
	default:
		f.serve(conn, s, f.web)
	}
}

// serve answers as the host itself does, or with the certificate of the fault. Errors of the session are ignored: the
// client reports how it ended.
func (f *tcpFront) serve(conn net.Conn, s *setting, web bool) {
	certificate, err := f.identity.certificate(s.fault)
	if err != nil {
		return
	}
	if web {
		_ = (&WebServer{Certificate: certificate}).Serve(f.ctx, conn)
		return
	}
	coap := f.coap
	coap.Mute = coap.Mute || s.fault == NoPong
	_ = (&DeviceServer{
		Certificate:   certificate,
		RefuseClients: s.fault == RefuseCertificate,
		EndUnfinished: s.fault == CloseAfterCertificate || s.fault == ResetAfterCertificate,
		CoAP:          coap,
		IdleLimit:     f.idleLimit,
	}).Serve(f.ctx, conn)
}

// intercept terminates the TLS that the hello asks for. A box without AES-CCM uses crypto/tls, which answers a device's
// hello with an alert.
func (f *tcpFront) intercept(conn net.Conn, s *setting) {
	record, err := readRecord(conn)
	if err != nil {
		return
	}
	device := false
	if len(record) > recordHeader+4 {
		hello, err := parseClientHello(record[recordHeader+4:], false)
		device = err == nil && hello.offersCCM8()
	}
	replayed := &replaying{Conn: conn, reader: io.MultiReader(bytes.NewReader(record), conn)}
	f.serve(replayed, s, !device || s.fault == InterceptNoCCM)
}

// reply reads the hello and answers it with the given bytes. It then waits for the client to close: closing first
// could reset the connection before the client has read the answer.
func (f *tcpFront) reply(conn stream, answer []byte) {
	if _, err := readRecord(conn); err != nil {
		return
	}
	if _, err := conn.Write(answer); err != nil {
		return
	}
	_ = conn.CloseWrite()
	drain(conn)
}

// drain reads and discards until the client closes or helloTimeout has passed.
func drain(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(helloTimeout))
	_, _ = io.Copy(io.Discard, conn)
}

// readRecord reads one TLS record with its header, as a firewall that waits for the hello does.
func readRecord(conn net.Conn) ([]byte, error) {
	_ = conn.SetReadDeadline(time.Now().Add(helloTimeout))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	var header [recordHeader]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(header[3:]))
	_, err := io.ReadFull(conn, body)
	return slices.Concat(header[:], body), err
}

// garbage is 512 bytes with which no known protocol begins.
func garbage() []byte {
	return bytes.Repeat([]byte{0xde, 0xad, 0xbe, 0xef}, 128)
}

// endless sends a Certificate message of 16 MiB repeatedly, until the client stops reading.
func endless(conn net.Conn) {
	if _, err := readRecord(conn); err != nil {
		return
	}
	_ = conn.SetWriteDeadline(time.Now().Add(helloTimeout))
	record := append([]byte{contentHandshake, 3, 3, 0x40, 0}, make([]byte, maxPlaintext)...)
	copy(record[recordHeader:], []byte{typeCertificate, 0xff, 0xff, 0xff})
	for {
		if _, err := conn.Write(record); err != nil {
			return
		}
		clear(record[recordHeader : recordHeader+4])
	}
}

// replaying is a connection whose first bytes have been read and are read again.
type replaying struct {
	net.Conn
	reader io.Reader
}

func (r *replaying) Read(p []byte) (int, error) { return r.reader.Read(p) }

// dripping is a connection that writes one byte per second.
type dripping struct {
	net.Conn
	ctx context.Context
}

func (d *dripping) Write(p []byte) (int, error) {
	for i := range p {
		if !sleepUntil(d.ctx, time.Now().Add(time.Second)) {
			return i, d.ctx.Err()
		}
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// splitSize is the smallest maximum record size that OpenSSL can be configured to (max_send_fragment).
const splitSize = 512

// splitting is a connection that splits unencrypted handshake records into smaller ones, up to the first record of
// another type. Each Write must hold whole records.
type splitting struct {
	net.Conn
	sealed bool
}

func (c *splitting) Write(p []byte) (int, error) {
	var wire []byte
	for rest := p; len(rest) > 0; {
		if len(rest) < recordHeader || len(rest) < recordHeader+int(binary.BigEndian.Uint16(rest[3:])) {
			return 0, io.ErrShortWrite
		}
		size := recordHeader + int(binary.BigEndian.Uint16(rest[3:]))
		record := rest[:size]
		rest = rest[size:]
		c.sealed = c.sealed || record[0] != contentHandshake
		if c.sealed {
			wire = append(wire, record...)
			continue
		}
		for part := range slices.Chunk(record[recordHeader:], splitSize) {
			wire = append(wire, record[:3]...)
			wire = binary.BigEndian.AppendUint16(wire, uint16(len(part)))
			wire = append(wire, part...)
		}
	}
	if _, err := c.Conn.Write(wire); err != nil {
		return 0, err
	}
	return len(p), nil
}
