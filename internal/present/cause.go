package present

import (
	"fmt"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// causeText says why no path of the site carries a device; "" without a common cause.
func causeText(r *report.Report) string {
	s := &r.Summary
	n := len(r.Hosts)
	failures := strings.Join(each(s.Resolvers, serverFailures), "; ")
	dns := plural(len(s.Resolvers), "The site's DNS server", "The site's DNS servers")
	none := plural(n, "the host could not be found", fmt.Sprintf("none of the %d hosts could be found", n))
	switch s.Cause {
	case report.CauseNone:
		return ""
	case report.CauseNoTime:
		return "No DNS server answered before the round ended, so no path could be probed."
	case report.CauseNoResolver:
		return "No DNS server is known, so no name could be resolved and no path could be probed."
	case report.CauseResolversSilent:
		return fmt.Sprintf("%s %s not answer (%s), so %s and no path could be probed.", dns, plural(len(s.Resolvers), "does", "do"), failures, none)
	case report.CauseResolversFail:
		return fmt.Sprintf("%s %s, but cannot find any of the %d hosts (%s), so no path could be probed.", dns, plural(len(s.Resolvers), "answers", "answer"), n, failures)
	case report.CauseResolversRefuse:
		return fmt.Sprintf("%s %s to answer this machine (%s), so %s.", dns, plural(len(s.Resolvers), "refuses", "refuse"), failures, none)
	case report.CauseNamesUnknown:
		return fmt.Sprintf("%s %s no address for any of the %d hosts (%s), so no path could be probed.", dns, plural(len(s.Resolvers), "gives", "give"), n, failures)
	case report.CauseNoRoute:
		return fmt.Sprintf("This machine has no route to any address of the %d hosts.", n)
	case report.CauseAllBlocked:
		return fmt.Sprintf("Nothing gets out: every path to every one of the %d hosts is blocked.", n)
	case report.CauseAllStopped:
		return fmt.Sprintf("Nothing gets through: every path to every one of the %d hosts is blocked; where a TCP connection opens, the handshake is stopped.", n)
	}
	return ""
}

// The commands of advice are for the machine that probes, and work there as printed.

// networkCommands show the addresses and the routes of a machine.
func networkCommands(system string) []string {
	switch system {
	case "linux":
		return []string{"ip address", "ip route"}
	case "windows":
		return []string{"ipconfig /all", "route print"}
	}
	return []string{"ifconfig", "netstat -rn"} // macOS and the BSDs
}

// queryCommand asks the first DNS server for the first host.
func queryCommand(system string, a *report.Advice) []string {
	if len(a.Resolvers) == 0 || len(a.Places) == 0 {
		return nil
	}
	server, host, port := a.Resolvers[0].Server, text(a.Places[0].Host), ""
	if system == "windows" { // which has no dig
		if server.Port() != 53 {
			port = fmt.Sprintf("-port=%d ", server.Port())
		}
		return []string{fmt.Sprintf("nslookup %s%s %s", port, host, address(server.Addr()))}
	}
	if server.Port() != 53 {
		port = fmt.Sprintf(" -p %d", server.Port())
	}
	return []string{fmt.Sprintf("dig @%s%s %s", address(server.Addr()), port, host)}
}
