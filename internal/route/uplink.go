package route

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Uplink is what the packets of this machine leave by: one of its addresses, or one of its interfaces. The zero value
// leaves the choice to the routing table. A destination on this machine itself (loopback) is never bound.
type Uplink struct {
	addr   netip.Addr
	device string
}

// NewUplink returns the uplink of an address or the name of an interface; "" stands for the zero value.
func NewUplink(source string) Uplink {
	if addr, err := netip.ParseAddr(source); err == nil {
		return Uplink{addr: addr}
	}
	return Uplink{device: source}
}

// bindingFor returns what a socket to an address is bound to; the zero value stands for nothing. The error is that of a
// missing route: the uplink has no address of the family, or there is no such interface. An interface becomes its
// address where the kernel does not permit more (Linux before 5.7, and other systems).
func (u Uplink) bindingFor(remote netip.Addr) (Uplink, error) {
	remote = remote.Unmap()
	switch {
	case u == Uplink{}, remote.IsLoopback():
		return Uplink{}, nil
	case u.addr.IsValid():
		if u.addr.Is4() != remote.Is4() {
			return Uplink{}, fmt.Errorf("source %s: %w", u.addr, noRoute)
		}
		return u, nil
	}
	device, err := net.InterfaceByName(u.device)
	if err != nil {
		return Uplink{}, fmt.Errorf("source %s: no such interface: %w", u.device, noRoute)
	}
	if mayBindToDevice() {
		return u, nil
	}
	addresses, err := device.Addrs()
	if err != nil {
		return Uplink{}, fmt.Errorf("source %s: %w", u.device, err)
	}
	var found netip.Addr
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || prefix.Addr().Unmap().Is4() != remote.Is4() {
			continue
		}
		if addr := prefix.Addr().Unmap(); !found.IsValid() || found.IsLinkLocalUnicast() && !addr.IsLinkLocalUnicast() {
			found = addr
		}
	}
	if !found.IsValid() {
		return Uplink{}, fmt.Errorf("source %s: no address of the family: %w", u.device, noRoute)
	}
	return Uplink{addr: found}, nil
}

// Dialer returns a function that opens connections as d does, from the uplink, to IP addresses with a port.
func (u Uplink) Dialer(d net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if u == (Uplink{}) {
			return d.DialContext(ctx, network, address)
		}
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil, err
		}
		b, err := u.bindingFor(to.Addr())
		if err != nil {
			return nil, err
		}
		return b.dialer(d, network).DialContext(ctx, network, address)
	}
}

// dialer returns d bound to u, which bindingFor has returned.
func (u Uplink) dialer(d net.Dialer, network string) *net.Dialer {
	if u.addr.IsValid() {
		from := netip.AddrPortFrom(u.addr, 0)
		if strings.HasPrefix(network, "udp") {
			d.LocalAddr = net.UDPAddrFromAddrPort(from)
		} else {
			d.LocalAddr = net.TCPAddrFromAddrPort(from)
		}
	}
	if u.device != "" {
		own := d.ControlContext
		d.ControlContext = func(ctx context.Context, network, address string, raw syscall.RawConn) error {
			if own != nil {
				if err := own(ctx, network, address, raw); err != nil {
					return err
				}
			}
			return bindToDevice(raw, u.device)
		}
	}
	return &d
}
