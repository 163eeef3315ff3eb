package present

import (
	"fmt"
	"slices"
	"strings"
)

// place is one path of a host with addresses, as a firewall's owner needs it.
type place struct {
	host      string
	ports     []string // "TCP 5684"
	addresses []string // empty where the host is an address, or has none
}

// places gathers paths, in the order in which they come.
type places struct{ list []place }

// addPath adds those addresses of a path that are wanted.
func (p *places) addPath(host string, path *Path, want func(*Address) bool) {
	added := place{host: host, ports: []string{path.name()}}
	for i := range path.Addresses {
		if a := &path.Addresses[i]; !a.Withdrawn && want(a) && a.Address != host {
			added.addresses = append(added.addresses, a.Address)
		}
	}
	p.add(added)
}

// add merges a place into the same host's: another address on the same port, or another port with the same addresses.
func (p *places) add(added place) {
	at := slices.IndexFunc(p.list, func(known place) bool { return known.host == added.host && slices.Equal(known.ports, added.ports) })
	if at < 0 {
		p.list = append(p.list, added)
		return
	}
	for _, address := range added.addresses {
		if !slices.Contains(p.list[at].addresses, address) {
			p.list[at].addresses = append(p.list[at].addresses, address)
		}
	}
}

// merged joins the ports of a host that have the same addresses.
func (p *places) merged() []place {
	var out []place
	for _, one := range p.list {
		at := slices.IndexFunc(out, func(known place) bool {
			return known.host == one.host && slices.Equal(known.addresses, one.addresses)
		})
		if at < 0 {
			one.ports = slices.Clone(one.ports)
			out = append(out, one)
			continue
		}
		out[at].ports = append(out[at].ports, one.ports...)
	}
	return out
}

// lines writes one line a place: "TCP 5684 and TCP 443 to lwm2m.example.com (192.0.2.1)".
func (p *places) lines() []string {
	var out []string
	for _, one := range p.merged() {
		line := list(one.ports) + " to " + one.host
		if len(one.addresses) > 0 {
			line += " (" + strings.Join(one.addresses, ", ") + ")"
		}
		out = append(out, line)
	}
	return out
}

// name is "TCP 5684".
func (p *Path) name() string { return fmt.Sprintf("%s %d", strings.ToUpper(p.Transport), p.Port) }

// list writes "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
