package sockclock

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stamps reads from a socket together with the kernel's receive stamps (SO_TIMESTAMPNS). Its reads have the deadlines,
// results and errors of those of package net.
type stamps struct {
	conn   net.Conn
	raw    syscall.RawConn
	stream bool
	recv   func(fd uintptr) (done bool) // receive; a field, so that it is allocated once

	// Of the read in progress.
	p     []byte
	n     int
	stamp time.Duration
	errno error
	oob   [64]byte // room for one stamp, which takes 32 bytes at most
}

// newStamps makes the kernel stamp what the socket receives; nil if conn is not a socket of package net.
func newStamps(conn net.Conn) *stamps {
	var raw syscall.RawConn
	var err error
	stream := false
	switch c := conn.(type) {
	case *net.TCPConn:
		stream = true
		raw, err = c.SyscallConn()
	case *net.UDPConn:
		raw, err = c.SyscallConn()
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	var set error
	err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
	if err != nil || set != nil {
		return nil
	}
	keepStamping()
	s := &stamps{conn: conn, raw: raw, stream: stream}
	s.recv = s.receive
	return s
}

// keepStamping keeps a socket with SO_TIMESTAMPNS open as long as this process runs. The kernel stamps packets only
// while there is such a socket, and begins some time after the first one was made: without this the first answers of
// each round would be stamped when they are read.
var keepStamping = sync.OnceFunc(func() {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) == nil {
			return
		}
		_ = unix.Close(fd)
	}
})

// read reads as the Read of the connection does. stamp is when the last packet of the data arrived, on the wall clock;
// 0 if the kernel has no stamp.
func (s *stamps) read(p []byte) (n int, stamp time.Duration, err error) {
	s.p = p
	err = s.raw.Read(s.recv)
	s.p = nil
	var op *net.OpError
	switch {
	case errors.As(err, &op): // deadline or closed
		op.Op = "read"
		return 0, 0, op
	case err != nil:
		return 0, 0, err
	case s.errno != nil:
		return 0, 0, &net.OpError{
			Op: "read", Net: s.conn.LocalAddr().Network(), Source: s.conn.LocalAddr(), Addr: s.conn.RemoteAddr(),
			Err: os.NewSyscallError("read", s.errno),
		}
	case s.n == 0 && s.stream:
		return 0, 0, io.EOF
	}
	return s.n, s.stamp, nil
}

// receive makes one attempt to read; done is false if it would block.
func (s *stamps) receive(fd uintptr) (done bool) {
	for {
		n, length, _, _, err := unix.Recvmsg(int(fd), s.p, s.oob[:], 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false
		}
		s.n, s.errno, s.stamp = max(n, 0), err, 0
		if err == nil {
			s.stamp = stampIn(s.oob[:length])
		}
		return true
	}
}

// stampIn returns the receive stamp in control messages; 0 if there is none. Its fields have the size of the
// architecture's long.
func stampIn(control []byte) time.Duration {
	for len(control) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return 0
		}
		if header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPNS {
			switch {
			case len(data) >= 16:
				return time.Duration(binary.NativeEndian.Uint64(data))*time.Second + time.Duration(binary.NativeEndian.Uint64(data[8:]))
			case len(data) >= 8:
				return time.Duration(binary.NativeEndian.Uint32(data))*time.Second + time.Duration(binary.NativeEndian.Uint32(data[4:]))
			}
		}
		control = rest
	}
	return 0
}

// kernelInfo reads TCP_INFO, which Linux keeps after the connection has ended.
func kernelInfo(conn *net.TCPConn) (out TCPInfo) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return TCPInfo{}
	}
	_ = raw.Control(func(fd uintptr) { // fails only on a closed socket
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			out = TCPInfo{
				RTT: time.Duration(info.Rtt) * time.Microsecond, Acked: info.Bytes_acked, OutOfOrder: info.Rcv_ooopack,
				Retransmitted: info.Total_retrans,
			}
		}
	})
	return out
}
