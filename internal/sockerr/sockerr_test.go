//go:build unix

package sockerr

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestOf(t *testing.T) {
	wrapped := func(call string, errno syscall.Errno) error {
		return fmt.Errorf("send: %w", &net.OpError{Op: "write", Net: "udp", Err: os.NewSyscallError(call, errno)})
	}
	for name, test := range map[string]struct {
		err  error
		want Fault
	}{
		"no error":                         {nil, Unknown},
		"end of file":                      {io.EOF, Unknown},
		"deadline":                         {os.ErrDeadlineExceeded, Unknown},
		"errno by itself":                  {syscall.ECONNRESET, Reset},
		"joined":                           {errors.Join(io.EOF, syscall.ECONNREFUSED), Refused},
		"socket: no descriptor":            {wrapped("socket", syscall.EMFILE), Shortage},
		"bind: no port":                    {wrapped("bind", syscall.EADDRINUSE), Shortage},
		"connect over UDP: no port":        {wrapped("connect", syscall.EAGAIN), Shortage},
		"connect over TCP: no port":        {wrapped("connect", syscall.EADDRNOTAVAIL), Shortage},
		"connect: no route":                {wrapped("connect", syscall.ENETUNREACH), Unreachable},
		"connect: RST":                     {wrapped("connect", syscall.ECONNREFUSED), Refused},
		"connect: the kernel gave up":      {wrapped("connect", syscall.ETIMEDOUT), TimedOut},
		"send: full queue":                 {wrapped("sendto", syscall.ENOBUFS), Shortage},
		"send: local packet filter":        {wrapped("sendto", syscall.EPERM), Filtered},
		"send: datagram too long":          {wrapped("sendto", syscall.EMSGSIZE), Unreachable},
		"send: connection reset":           {wrapped("write", syscall.EPIPE), Reset},
		"receive: ICMPv6 prohibited":       {wrapped("read", syscall.EACCES), Unreachable},
		"receive: ICMP host unreachable":   {wrapped("read", syscall.EHOSTUNREACH), Unreachable},
		"receive: a mistake of the caller": {wrapped("read", syscall.EBADF), Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Of(test.err); got != test.want {
				t.Errorf("%v is %d, want %d", test.err, got, test.want)
			}
		})
	}
}
