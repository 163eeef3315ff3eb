package lab

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

// dtlsHeader is the length of a DTLS record's header (RFC 6347 §4.1).
const dtlsHeader = 13

// isPlain reports that a datagram begins with a record of epoch 0, before there is a session (RFC 6347 §4.1).
func isPlain(datagram []byte) bool {
	return len(datagram) > dtlsHeader && datagram[3] == 0 && datagram[4] == 0
}

// isCookie tells a HelloVerifyRequest (RFC 6347 §4.2.1) by its record's type, its epoch and its message type.
func isCookie(datagram []byte) bool {
	const helloVerifyRequest = 3
	return isPlain(datagram) && datagram[0] == contentHandshake && datagram[dtlsHeader] == helloVerifyRequest
}

// up takes one datagram from the client. It is called from one goroutine only.
func (fl *flow) up(datagram []byte) {
	switch s := fl.setting; s.fault {
	case Drop:
	case Garbage:
		fl.reply(garbage())
	case Alert:
		fl.reply([]byte{contentAlert, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, byte(s.count)})
	case DropFirst:
		if fl.dropped < s.count {
			fl.dropped++
			return
		}
		fl.forward(datagram)
	case Duplicate:
		fl.forward(datagram)
		fl.forward(datagram)
	case Slow:
		fl.front.wg.Go(func() {
			if sleepUntil(fl.front.ctx, time.Now().Add(s.delay)) {
				fl.forward(datagram)
			}
		})
	default:
		fl.forward(datagram)
	}
}

// forward and reply may lose a datagram, as networks do.
func (fl *flow) forward(datagram []byte) { _, _ = fl.upstream.Write(datagram) }
func (fl *flow) reply(datagram []byte)   { _, _ = fl.socket.WriteToUDPAddrPort(datagram, fl.client) }

// down takes the server's datagrams until the flow ends.
func (fl *flow) down() {
	var sleepers sync.WaitGroup
	defer sleepers.Wait()
	var held []byte // Reorder: the first of a pair
	buffer := make([]byte, maxDatagram)
	idle := handshakePatience
	for {
		wait := idle
		if held != nil {
			wait = pairWait
		}
		_ = fl.upstream.SetReadDeadline(time.Now().Add(wait))
		n, err := fl.upstream.Read(buffer)
		if held != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			fl.reply(held)
			held = nil
			continue
		}
		if err != nil {
			return
		}
		if fl.mapping != nil && !fl.mapping.pass() {
			continue
		}
		datagram := append([]byte(nil), buffer[:n]...)
		switch {
		case n > 0 && datagram[0] == contentAlert: // of whatever kind: the server has ended the session, or will have none
			idle = lastWords
		case !isPlain(datagram):
			idle = flowIdle
		}
		switch s := fl.setting; s.fault {
		case Duplicate:
			fl.reply(datagram)
			fl.reply(datagram)
		case NoAnswerAfter:
			if isCookie(datagram) {
				fl.reply(datagram)
			}
		case Slow:
			sleepers.Go(func() {
				if sleepUntil(fl.front.ctx, time.Now().Add(s.delay)) {
					fl.reply(datagram)
				}
			})
		case Reorder:
			if held == nil {
				held = datagram
				continue
			}
			fl.reply(datagram)
			fl.reply(held)
			held = nil
		default:
			fl.reply(datagram)
		}
	}
}
