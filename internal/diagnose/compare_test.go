package diagnose

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestCompare(t *testing.T) {
	finding := func(r Reason) Finding { return Finding{Reason: r, Class: ClassOf(r)} }
	path := func(transport measurement.Transport, port uint16, r Reason) PathFinding {
		return PathFinding{Path: measurement.Path{Transport: transport, Port: port}, Finding: finding(r)}
	}
	tcp5684 := func(r Reason) PathFinding { return path(measurement.TCP, 5684, r) }
	udp5684 := func(r Reason) PathFinding { return path(measurement.UDP, 5684, r) }
	tcp443 := func(r Reason) PathFinding { return path(measurement.TCP, 443, r) }
	smallOnly := udp5684(Silent)
	smallOnly.Finding.SmallOnly = true
	elsewhere := tcp443(Reset)
	elsewhere.Finding.Elsewhere = true
	addresses := func(p PathFinding, reasons ...Reason) PathFinding {
		for i, r := range reasons {
			p.Addresses = append(p.Addresses, AddressFinding{netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), finding(r)})
		}
		return p
	}
	for _, tt := range []struct {
		name  string
		paths []PathFinding
		want  []string
	}{
		{"no path", nil, nil},
		{"all pass", []PathFinding{tcp5684(OK), udp5684(OK), tcp443(OK)}, nil},
		{"a lone path has nothing to be compared with", []PathFinding{udp5684(Silent)}, nil},
		{"UDP is dropped, TCP passes", []PathFinding{tcp5684(OK), udp5684(Silent)}, []string{
			"UDP 5684 to h is blocked, while TCP 5684 passes: set the devices to TCP, or ask the network's owner to open UDP 5684."}},
		{"UDP is open, but for large datagrams: its own advice says so", []PathFinding{tcp5684(OK), smallOnly}, nil},
		{"UDP is open, but for large datagrams, and TCP is blocked", []PathFinding{tcp5684(Reset), smallOnly}, nil},
		{"443 leads to somebody else: to open it would not help", []PathFinding{tcp5684(OK), elsewhere}, nil},
		{"TCP is blocked, UDP passes", []PathFinding{tcp5684(Refused), udp5684(OK)}, []string{
			"TCP 5684 to h is blocked, while UDP 5684 passes: devices set to TCP stay offline. Ask the network's owner to open TCP 5684."}},
		{"TCP opens and the handshake is stopped, UDP passes", []PathFinding{tcp5684(Reset), udp5684(OK)}, []string{
			"TCP 5684 to h is blocked, while UDP 5684 passes: devices set to TCP stay offline. Ask the network's owner to " +
				"exempt TCP 5684 from TLS inspection and application filtering, since the connection opens and the handshake is stopped."}},
		{"5684 is blocked, 443 passes: the one hides the other", []PathFinding{tcp5684(Refused), tcp443(OK)}, []string{
			"TCP 5684 to h is blocked, while TCP 443 passes: a device set to 443 alternates between the two after each error, " +
				"so it connects late and may look healthy. Ask the network's owner to open TCP 5684."}},
		{"443 is blocked, 5684 passes", []PathFinding{tcp5684(OK), udp5684(OK), tcp443(Unreachable)}, []string{
			"TCP 443 to h is blocked, while TCP 5684 and UDP 5684 pass: devices set to 443 lose every other attempt. " +
				"Set them to the port that passes, or ask the network's owner to open TCP 443."}},
		{"all is blocked", []PathFinding{tcp5684(Unreachable), udp5684(Silent), tcp443(Refused)}, []string{
			"Every path to h is blocked (TCP 5684, UDP 5684 and TCP 443): devices cannot reach it. " +
				"Ask the network's owner to open them; one open path is enough for a device."}},
		{"the handshake is stopped on every path", []PathFinding{tcp5684(Closed), tcp443(Silent)}, []string{
			"Every path to h is blocked (TCP 5684 and TCP 443): devices cannot reach it. Ask the network's owner to exempt TCP 5684 and TCP 443 " +
				"from TLS inspection and application filtering, since the connection opens and the handshake is stopped; one open path is enough for a device."}},
		{"UDP is dropped, and TCP opens and is stopped", []PathFinding{tcp5684(Reset), udp5684(Silent)}, []string{
			"Every path to h is blocked (TCP 5684 and UDP 5684): devices cannot reach it. Ask the network's owner to open UDP 5684, and to exempt " +
				"TCP 5684 from TLS inspection and application filtering, since the connection opens and the handshake is stopped; one open path is enough for a device."}},
		{"all is intercepted, as each path says itself", []PathFinding{tcp5684(WrongIssuer), tcp443(ForgedIssuer)}, nil},
		{"intercepted on 443 alone", []PathFinding{tcp5684(OK), udp5684(OK), tcp443(WrongIssuer)}, []string{
			"h is intercepted on TCP 443, while TCP 5684 and UDP 5684 pass: devices that use the former stay offline. " +
				"Have TCP 443 exempted from TLS inspection, or set the devices to TCP 5684 or UDP 5684."}},
		{"intercepted on 443, blocked elsewhere", []PathFinding{tcp5684(Unreachable), udp5684(Silent), tcp443(WrongIssuer)}, []string{
			"No path to h carries a device: intercepted on TCP 443, blocked on TCP 5684 and UDP 5684. " +
				"Have the host exempted from TLS inspection first; opening the other ports to the same inspection would not help."}},
		{"intercepted on 443, UDP blocked, TCP 5684 open", []PathFinding{tcp5684(OK), udp5684(Silent), tcp443(BlockPage)}, []string{
			"h is intercepted on TCP 443, while TCP 5684 passes: devices that use the former stay offline. " +
				"Have TCP 443 exempted from TLS inspection, or set the devices to TCP 5684.",
			"UDP 5684 to h is blocked, while TCP 5684 passes: set the devices to TCP, or ask the network's owner to open UDP 5684."}},
		{"a path that the deadline cut off counts for nothing", []PathFinding{tcp5684(OutOfTime), udp5684(Silent)}, nil},
		{"a name that does not resolve says it once", []PathFinding{tcp5684(DNSFailed), udp5684(DNSFailed)}, nil},
		{"a diverted name says it once", []PathFinding{tcp5684(Sinkhole), tcp443(Sinkhole)}, nil},
		{"the server's fault is not the network's", []PathFinding{tcp5684(OK), tcp443(Expired)}, nil},
		{"one address of eight", []PathFinding{addresses(tcp5684(OK), OK, OK, OK, OK, OK, OK, Silent, OK)}, []string{
			"On TCP 5684, 1 of the 8 addresses of h fails (192.0.2.7: silent): devices that are given it stay offline. " +
				"Allow-lists by address go stale; ask the network's owner to allow the name instead."}},
		{"half of the addresses", []PathFinding{addresses(tcp443(Refused), Refused, Refused, Reset, WrongIssuer, OK, OutOfTime, OK)}, []string{
			"On TCP 443, 4 of the 6 addresses of h fail (192.0.2.1: refused, 192.0.2.2: refused, 192.0.2.3: reset and 1 more): " +
				"devices that are given one of them stay offline. " +
				"Allow-lists by address go stale; ask the network's owner to allow the name instead."}},
		{"all addresses fail alike", []PathFinding{addresses(tcp5684(Silent), Silent, Silent)}, nil},
		{"an address that the deadline cut off is no failure", []PathFinding{addresses(tcp5684(OK), OK, OutOfTime)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range Compare("h", tt.paths) {
				got = append(got, c.Text)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

func TestAComparisonCoversWhatItSpeaksOf(t *testing.T) {
	tcp, udp, web := measurement.Path{Transport: measurement.TCP, Port: 5684}, measurement.Path{Transport: measurement.UDP, Port: 5684}, measurement.Path{Transport: measurement.TCP, Port: 443}
	path := func(n measurement.Path, r Reason) PathFinding {
		return PathFinding{Path: n, Finding: Finding{Reason: r, Class: ClassOf(r)}}
	}
	eighth := path(tcp, OK)
	for _, r := range []Reason{OK, WrongIssuer, Refused} {
		eighth.Addresses = append(eighth.Addresses, AddressFinding{netip.AddrFrom4([4]byte{192, 0, 2, 1}), Finding{Reason: r, Class: ClassOf(r)}})
	}
	for name, tt := range map[string]struct {
		paths  []PathFinding
		class  Class
		covers []measurement.Path
	}{
		"one blocked":                {[]PathFinding{path(tcp, OK), path(udp, Silent)}, ClassBlocked, []measurement.Path{udp}},
		"all blocked":                {[]PathFinding{path(tcp, Reset), path(udp, Silent), path(web, Refused)}, ClassBlocked, []measurement.Path{tcp, udp, web}},
		"intercepted, others open":   {[]PathFinding{path(tcp, OK), path(web, BlockPage)}, ClassInterception, nil},
		"intercepted, the rest shut": {[]PathFinding{path(tcp, Unreachable), path(web, WrongIssuer)}, ClassInterception, []measurement.Path{tcp}},
		"one address intercepted":    {[]PathFinding{eighth}, ClassInterception, []measurement.Path{tcp}},
	} {
		got := Compare("h", tt.paths)
		if len(got) != 1 || got[0].Class != tt.class || !slices.Equal(got[0].Covers, tt.covers) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
