package present

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// causeText says why no path of the site carries a device; "" without a common cause.
func causeText(r *report.Report) string {
	servers, hosts := r.Summary.Resolvers, len(r.Hosts)
	return fill(causeTexts[r.Summary.Cause], map[string]string{
		"servers": plural(len(servers), "The site's DNS server", "The site's DNS servers"), "failures": strings.Join(each(servers, serverFailures), "; "),
		"do": plural(len(servers), "does", "do"), "answer": plural(len(servers), "answers", "answer"),
		"refuse": plural(len(servers), "refuses", "refuse"), "give": plural(len(servers), "gives", "give"), "hosts": strconv.Itoa(hosts),
		"no host is found": plural(hosts, "the host could not be found", fmt.Sprintf("none of the %d hosts could be found", hosts)),
	})
}

var causeTexts = map[report.Cause]string{
	report.CauseNoTime:          "No DNS server answered before the round ended, so no path could be probed.",
	report.CauseNoResolver:      "No DNS server is known, so no name could be resolved and no path could be probed.",
	report.CauseResolversSilent: "{servers} {do} not answer ({failures}), so {no host is found} and no path could be probed.",
	report.CauseResolversFail:   "{servers} {answer}, but cannot find any of the {hosts} hosts ({failures}), so no path could be probed.",
	report.CauseResolversRefuse: "{servers} {refuse} to answer this machine ({failures}), so {no host is found}.",
	report.CauseNamesUnknown:    "{servers} {give} no address for any of the {hosts} hosts ({failures}), so no path could be probed.",
	report.CauseNoRoute:         "This machine has no route to any address of the {hosts} hosts.",
	report.CauseAllBlocked:      "Nothing gets out: every path to every one of the {hosts} hosts is blocked.",
	report.CauseAllStopped: "Nothing gets through: every path to every one of the {hosts} hosts is blocked; " +
		"where a TCP connection opens, the handshake is stopped.",
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
