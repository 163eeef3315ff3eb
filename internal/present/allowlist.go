package present

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// AllowListTable writes a Markdown table of what a firewall must allow for endpoints: names, ports, protocols, and who
// signs the certificates.
func AllowListTable(w io.Writer, endpoints []config.Endpoint, anchors map[string]config.TrustAnchor) error {
	var b strings.Builder
	b.WriteString("| host | allow outbound | protocol | the certificate is signed by |\n|---|---|---|---|\n")
	for i := range endpoints {
		e := &endpoints[i]
		protocol := "CoAP over TLS 1.2 or DTLS 1.2, without SNI"
		if e.Client == measurement.Web {
			protocol = "HTTPS (TLS 1.2 or 1.3, with SNI)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(e.Host), strings.Join(pathNames(e.Paths), ", "), protocol, cell(anchorText(e.Trust, anchors)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// anchorText says who signs the certificates of an endpoint with this trust anchor.
func anchorText(name string, anchors map[string]config.TrustAnchor) string {
	anchor, known := anchors[name]
	switch {
	case !known:
		return "not known"
	case anchor.Issuer != "":
		return anchor.Issuer
	case anchor.PublicRoots:
		return "an authority of the public web"
	case anchor.SystemRoots:
		return "an authority that the site's machines trust"
	}
	return "the authority of the trust anchor " + name
}

// AllowList writes what a firewall must allow, to send to the network's owner. rep adds the addresses that DNS gives
// now; nil leaves them out.
func AllowList(w io.Writer, endpoints []config.Endpoint, anchors map[string]config.TrustAnchor, rep *report.Report) error {
	var b strings.Builder
	b.WriteString("# What to allow for the devices' cloud\n\n" +
		"Allow these outbound by name, replies included, without TLS inspection, application filtering or a proxy. " +
		"Devices accept no certificate except their cloud's own.\n\n")
	if err := AllowListTable(&b, endpoints, anchors); err != nil {
		return err
	}
	b.WriteString("\nLet the site's DNS servers resolve these names, and keep no record past its TTL.\n")
	if rep != nil {
		fmt.Fprintf(&b, "\n## Addresses at %s\n\n**They change without notice.** A list of addresses goes stale, and devices that are given "+
			"a new address are then offline. Use it only where the firewall cannot allow names, and renew it often.\n\n"+
			"| host | addresses |\n|---|---|\n", momentText(rep.Started))
		for i := range rep.Hosts {
			h := &rep.Hosts[i]
			fmt.Fprintf(&b, "| %s | %s |\n", cell(h.Endpoint.Host), cell(addressesOf(h)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// addressesOf lists the addresses of a host from all DNS servers, each once.
func addressesOf(h *report.Host) string {
	if addr, err := netip.ParseAddr(h.Endpoint.Host); err == nil {
		return addr.String()
	}
	var all []netip.Addr
	for i := range h.Resolvers {
		all = append(all, h.Resolvers[i].Lookup.Addresses...)
	}
	if len(all) == 0 {
		return "not known: no DNS server gave an address"
	}
	slices.SortStableFunc(all, netip.Addr.Compare)
	return strings.Join(addresses(slices.Compact(all)), ", ")
}
