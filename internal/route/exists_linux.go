package route

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// askTCP asks the kernel for the route of a TCP connection with a binding to a remote address and port: policy rules
// may depend on both (ip-rule(8): ipproto, dport). An error for which isNoRoute is false means that the kernel has not
// answered the question. Kernels before 4.18 ignore protocol and port.
func askTCP(remote netip.AddrPort, from Uplink) error {
	if remote.Addr().Zone() != "" {
		return errUnknown // needs the index of the interface
	}
	device := 0
	if from.device != "" {
		found, err := net.InterfaceByName(from.device)
		if err != nil {
			return noRoute
		}
		device = found.Index
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return errUnknown // a sandbox may forbid it
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Sendto(fd, routeRequest(remote, from.addr, device), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return errUnknown
	}
	// The kernel has answered when the request was sent.
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, unix.MSG_DONTWAIT)
	if err != nil || n < unix.NLMSG_HDRLEN {
		return errUnknown
	}
	return routeError(answer[:n])
}

// routeRequest encodes the request RTM_GETROUTE (rtnetlink(7)). The source address may be invalid, and the index of the
// interface 0: any.
func routeRequest(remote netip.AddrPort, source netip.Addr, device int) []byte {
	addr := remote.Addr().Unmap()
	family := byte(unix.AF_INET6)
	if addr.Is4() {
		family = unix.AF_INET
	}
	b := slices.Grow([]byte(nil), 96)[:unix.NLMSG_HDRLEN+unix.SizeofRtMsg]
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETROUTE)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	b[unix.NLMSG_HDRLEN], b[unix.NLMSG_HDRLEN+1] = family, byte(addr.BitLen())
	attribute := func(kind uint16, value []byte) {
		b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value))) //nolint:gosec // at most 20
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = append(b, value...)
		b = append(b, make([]byte, -len(b)&(unix.NLMSG_ALIGNTO-1))...)
	}
	attribute(unix.RTA_DST, addr.AsSlice())
	attribute(unix.RTA_IP_PROTO, []byte{unix.IPPROTO_TCP})
	attribute(unix.RTA_DPORT, binary.BigEndian.AppendUint16(nil, remote.Port()))
	if source.IsValid() {
		b[unix.NLMSG_HDRLEN+2] = byte(source.BitLen())
		attribute(unix.RTA_SRC, source.AsSlice())
	}
	if device != 0 {
		attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(device))) //nolint:gosec // an index
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b))) //nolint:gosec // at most 96
	return b
}

// routeError reads the answer to a request for a route. It is nil if the answer is a route to send to.
func routeError(answer []byte) error {
	switch body := answer[unix.NLMSG_HDRLEN:]; binary.NativeEndian.Uint16(answer[4:]) {
	case unix.NLMSG_ERROR:
		if len(body) >= 4 {
			if code := int32(binary.NativeEndian.Uint32(body)); code < 0 { //nolint:gosec // it is signed
				return unix.Errno(-code)
			}
		}
	case unix.RTM_NEWROUTE:
		if len(body) >= unix.SizeofRtMsg {
			switch body[7] { // rtm_type
			case unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_THROW:
				return unix.ENETUNREACH
			}
			return nil
		}
	}
	return errUnknown
}
