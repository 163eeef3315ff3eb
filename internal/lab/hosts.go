package lab

import (
	"fmt"
	"time"
)

// The authorities that issue the hosts' certificates; they are also the keys of the configuration's trust section.
const (
	ByBootstrap = "arm-bootstrap"
	ByLwM2M     = "arm-lwm2m"
	ByWeb       = "web"
)

// The ports of the real cloud. A lab uses other ports unless Options set them.
const (
	NominalDevice uint16 = 5684
	NominalWeb    uint16 = 443
)

// Host is one host of the simulated cloud.
type Host struct {
	Service   string
	Name      string // lower case, without the final dot
	Authority string // ByBootstrap, ByLwM2M, ByWeb
	Web       bool   // a web host; else every port is for devices
	ByAddress bool   // its certificates are for its addresses too, so that a browser may be sent there by address
	Keepalive time.Duration
	Paths     []Path
}

// Path is one way to a host, by the real cloud's port.
type Path struct {
	Transport string // "tcp" or "udp"
	Nominal   uint16
}

// Domain is the domain of the lab's hosts: the real one, served by the lab's DNS.
const Domain = "us-east-1.mbedcloud.com"

const deviceKeepalive = 540 * time.Second

// Izuma lists the seven hosts of Izuma Device Management with their twelve paths.
func Izuma() []Host {
	deviceTCP, deviceUDP, webTCP := Path{"tcp", NominalDevice}, Path{"udp", NominalDevice}, Path{"tcp", NominalWeb}
	device := func(label, authority string, paths ...Path) Host {
		return Host{Service: label, Name: label + "." + Domain, Authority: authority, Keepalive: deviceKeepalive, Paths: paths}
	}
	web := func(label string) Host {
		return Host{Service: label, Name: label + "." + Domain, Authority: ByWeb, Web: true, Paths: []Path{webTCP}}
	}
	return []Host{
		device("bootstrap", ByBootstrap, deviceTCP, deviceUDP, webTCP),
		web("containers"),
		web("gateways"),
		web("edge-k8s"),
		device("lwm2m", ByLwM2M, deviceTCP, deviceUDP, webTCP),
		device("udp-lwm2m", ByLwM2M, deviceUDP),
		device("tcp-lwm2m", ByLwM2M, deviceTCP, webTCP),
	}
}

// Many lists n device hosts with one path each, for benchmarks.
func Many(n int, transport string) []Host {
	hosts := make([]Host, n)
	for i := range hosts {
		label := fmt.Sprintf("host-%04d", i)
		hosts[i] = Host{Service: "many", Name: label + "." + Domain, Authority: ByBootstrap, Paths: []Path{{transport, NominalDevice}}}
	}
	return hosts
}
