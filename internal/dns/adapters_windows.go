package dns

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	// adaptersSize is the size of the first buffer for the adapters, as Microsoft's documentation of
	// GetAdaptersAddresses recommends.
	adaptersSize = 15 << 10
	// adaptersLimit bounds the buffer.
	adaptersLimit = 4 << 20
)

// SystemResolvers returns the resolvers of the adapters that are up, at most three, those of the preferred adapter
// first. It returns none if no adapter has one.
func SystemResolvers() ([]netip.AddrPort, error) {
	adapters, err := readAdapters()
	if err != nil {
		return nil, fmt.Errorf("read the system's resolvers: GetAdaptersAddresses: %w", err)
	}
	return adapterResolvers(adapters), nil
}

// readAdapters asks the system for its adapters and their resolvers.
func readAdapters() (out []adapter, err error) {
	const flags = windows.GAA_FLAG_SKIP_UNICAST | windows.GAA_FLAG_SKIP_ANYCAST | windows.GAA_FLAG_SKIP_MULTICAST | windows.GAA_FLAG_SKIP_FRIENDLY_NAME
	size := uint32(adaptersSize)
	for {
		buffer := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buffer[0]))
		have := size
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size)
		switch {
		case err == nil && size > 0:
			for a := first; a != nil; a = a.Next {
				out = append(out, adapterOf(a))
			}
			return out, nil
		case errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) && size > have && size <= adaptersLimit:
		case err == nil, errors.Is(err, windows.ERROR_NO_DATA), errors.Is(err, windows.ERROR_ADDRESS_NOT_ASSOCIATED):
			return nil, nil // no adapter
		default:
			return nil, err
		}
	}
}

// adapterOf copies what is needed from the system's record of an adapter.
func adapterOf(a *windows.IpAdapterAddresses) adapter {
	out := adapter{
		up:       a.OperStatus == windows.IfOperStatusUp,
		loopback: a.IfType == windows.IF_TYPE_SOFTWARE_LOOPBACK,
		metric:   cmp.Or(a.Ipv4Metric, a.Ipv6Metric),
	}
	for server := a.FirstDnsServerAddress; server != nil; server = server.Next {
		if server.Address.Sockaddr == nil {
			continue
		}
		address, err := server.Address.Sockaddr.Sockaddr()
		if err != nil {
			continue // neither IPv4 nor IPv6
		}
		switch address := address.(type) {
		case *syscall.SockaddrInet4:
			out.servers = append(out.servers, netip.AddrFrom4(address.Addr))
		case *syscall.SockaddrInet6:
			addr := netip.AddrFrom16(address.Addr)
			if address.ZoneId != 0 {
				addr = addr.WithZone(strconv.FormatUint(uint64(address.ZoneId), 10))
			}
			out.servers = append(out.servers, addr)
		}
	}
	return out
}
