package lab

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"
)

// dtlsHeader is the length of a DTLS record's header (RFC 6347 §4.1).
const dtlsHeader = 13

// isPlain reports whether a datagram begins with a record of epoch 0, sent before there is a session (RFC 6347 §4.1).
func isPlain(datagram []byte) bool {
	return len(datagram) > dtlsHeader && datagram[3] == 0 && datagram[4] == 0
}

// isCookie reports whether a datagram is a HelloVerifyRequest (RFC 6347 §4.2.1), by record type, epoch and message
// type.
func isCookie(datagram []byte) bool {
	const helloVerifyRequest = 3
	return isPlain(datagram) && datagram[0] == contentHandshake && datagram[dtlsHeader] == helloVerifyRequest
}

// offersConnectionID reports whether a datagram is a ClientHello that offers a connection id.
func offersConnectionID(datagram []byte) bool {
	const body = dtlsHeader + 12 // after the header of the message (RFC 6347 §4.2.2)
	if len(datagram) < body || !isPlain(datagram) || datagram[0] != contentHandshake {
		return false
	}
	hello, err := parseClientHello(datagram[body:], true)
	return err == nil && hello.connectionID
}

// carriesConnectionID reports whether a record of a datagram carries a connection id.
func carriesConnectionID(datagram []byte) bool {
	const contentConnectionID = 25
	for len(datagram) >= dtlsHeader {
		if datagram[0] == contentConnectionID {
			return true
		}
		length := int(binary.BigEndian.Uint16(datagram[dtlsHeader-2:]))
		datagram = datagram[min(dtlsHeader+length, len(datagram)):]
	}
	return false
}

// takeFromClient handles one datagram of the client. It is called from one goroutine only.
func (fl *flow) takeFromClient(datagram []byte) {
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
	case DropConnectionIDs:
		if !carriesConnectionID(datagram) {
			fl.forward(datagram)
		}
	default:
		fl.pass(&fl.front.wg, datagram, fl.forward)
	}
}

// pass sends a datagram in either direction: twice, later or at once. wg waits for the one that is sent later.
func (fl *flow) pass(wg *sync.WaitGroup, datagram []byte, send func([]byte)) {
	switch fl.setting.fault {
	case Duplicate:
		send(datagram)
		send(datagram)
	case Slow:
		wg.Go(func() {
			if sleepUntil(fl.front.ctx, time.Now().Add(fl.setting.delay)) {
				send(datagram)
			}
		})
	default:
		send(datagram)
	}
}

// forward and reply send a datagram; one that cannot be sent is lost.
func (fl *flow) forward(datagram []byte) { _, _ = fl.upstream.Write(datagram) }
func (fl *flow) reply(datagram []byte)   { _, _ = fl.socket.WriteToUDPAddrPort(datagram, fl.client) }

// relayFromServer handles the server's datagrams until the flow ends.
func (fl *flow) relayFromServer() {
	var sleepers sync.WaitGroup
	defer sleepers.Wait()
	var first []byte // Reorder: the first datagram of a pair
	buffer := make([]byte, maxDatagram)
	idle := handshakeTimeout
	for {
		wait := idle
		if first != nil {
			wait = pairTimeout
		}
		_ = fl.upstream.SetReadDeadline(time.Now().Add(wait))
		n, err := fl.upstream.Read(buffer)
		if first != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			fl.reply(first)
			first = nil
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
		case n > 0 && datagram[0] == contentAlert: // of any kind: the server has ended the session, or refuses one
			idle = closeGrace
		case !isPlain(datagram):
			idle = flowIdle
		}
		switch fl.setting.fault {
		case NoAnswerAfter:
			if isCookie(datagram) {
				fl.reply(datagram)
			}
		case Reorder:
			if first == nil {
				first = datagram
				continue
			}
			fl.reply(datagram)
			fl.reply(first)
			first = nil
		default:
			fl.pass(&sleepers, datagram, fl.reply)
		}
	}
}
