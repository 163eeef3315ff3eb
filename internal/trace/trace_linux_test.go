package trace

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// control is a control message as the kernel writes it: length, level, type and data.
func control(level, kind int, data []byte) []byte {
	out := make([]byte, unix.CmsgSpace(len(data)))
	if unix.SizeofCmsghdr == 16 {
		binary.NativeEndian.PutUint64(out, uint64(unix.CmsgLen(len(data))))
	} else {
		binary.NativeEndian.PutUint32(out, uint32(unix.CmsgLen(len(data))))
	}
	binary.NativeEndian.PutUint32(out[unix.SizeofCmsghdr-8:], uint32(level))
	binary.NativeEndian.PutUint32(out[unix.SizeofCmsghdr-4:], uint32(kind))
	copy(out[unix.CmsgLen(0):], data)
	return out
}

// extended is struct sock_extended_err with the address of the host that sent the error.
func extended(origin, kind, code byte, family uint16, address ...byte) []byte {
	out := make([]byte, 16, 64)
	out[4], out[5], out[6] = origin, kind, code
	out = binary.NativeEndian.AppendUint16(out, family)
	return append(out, address...)
}

func TestParseError(t *testing.T) {
	v4 := append([]byte{0, 0, 10, 0, 0, 1}, make([]byte, 8)...)
	router6 := netip.MustParseAddr("fd00::1").As16()
	v6 := append(append([]byte{0, 0, 0, 0, 0, 0}, router6[:]...), 0, 0, 0, 0)
	router4, destination4, destination6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for name, test := range map[string]struct {
		oob         []byte
		destination netip.Addr
		ok          bool
		reply       report.TraceReply
		from        netip.Addr
		code        int
	}{
		"time exceeded": {
			control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.SO_EE_ORIGIN_ICMP, 11, 0, unix.AF_INET, v4...)), destination4, true, report.TraceExpired, router4, 0,
		},
		"time exceeded, IPv6": {
			control(unix.SOL_IPV6, unix.IPV6_RECVERR, extended(unix.SO_EE_ORIGIN_ICMP6, 3, 0, unix.AF_INET6, v6...)), destination6, true, report.TraceExpired, netip.AddrFrom16(router6), 0,
		},
		"administratively prohibited": {
			control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.SO_EE_ORIGIN_ICMP, 3, 13, unix.AF_INET, v4...)), destination4, true, report.TraceRejected, router4, 13,
		},
		"port unreachable, from a router": {
			control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.SO_EE_ORIGIN_ICMP, 3, 3, unix.AF_INET, v4...)), destination4, true, report.TraceRejected, router4, 3,
		},
		"port unreachable, from the address": {
			control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.SO_EE_ORIGIN_ICMP, 3, 3, unix.AF_INET, v4...)), router4, true, report.TraceRefused, router4, 3,
		},
		"after another message": {
			append(control(unix.SOL_IP, unix.IP_TTL, []byte{1, 0, 0, 0}), control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.SO_EE_ORIGIN_ICMP, 11, 0, unix.AF_INET, v4...))...),
			destination4, true, report.TraceExpired, router4, 0,
		},
		"an error of this machine": {oob: control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.SO_EE_ORIGIN_LOCAL, 0, 0, 0))},
		"no address":               {oob: control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.SO_EE_ORIGIN_ICMP, 11, 0, unix.AF_INET))},
		"cut off":                  {oob: control(unix.SOL_IP, unix.IP_RECVERR, []byte{0, 0, 0, 0, 2})},
		"not a control message":    {oob: []byte{1, 2, 3}},
		"empty":                    {},
	} {
		e, ok := parseError(test.oob)
		if ok != test.ok {
			t.Errorf("%s: %+v, %v", name, e, ok)
			continue
		}
		if !ok {
			continue
		}
		if hop := e.hop(test.destination, time.Second); hop.Reply != test.reply || hop.Address != test.from || hop.Code != test.code || hop.RTT != time.Second {
			t.Errorf("%s: %+v", name, hop)
		}
	}
}

func FuzzParseError(f *testing.F) {
	f.Add(control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.SO_EE_ORIGIN_ICMP, 11, 0, unix.AF_INET, make([]byte, 14)...)))
	f.Fuzz(func(t *testing.T, oob []byte) {
		if e, ok := parseError(oob); ok && !e.from.IsValid() {
			t.Errorf("%+v", e)
		}
	})
}
