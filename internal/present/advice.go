package present

import (
	"cmp"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// Task is one thing to do, about one cause.
type Task struct {
	Text string `json:"text"`
	// For lists what the text is about if that is more than one place, or commands if the text announces them.
	For []string `json:"for,omitempty"`
	// Paths is how many paths the cause explains; 0 if it is not about paths.
	Paths int `json:"paths,omitempty"`
}

// AdviceText says what to do about a finding, with the place that it concerns.
func AdviceText(f *report.Finding, host string, p measurement.Path) string {
	a := report.Advice{Kind: f.Advice, Paths: 1, Certificate: f.Certificate, Places: []report.Place{{Host: host, Paths: []measurement.Path{p}}}}
	if f.Advice == reason.CheckAddress {
		a.Certificate = f.Other
	}
	if f.Address.IsValid() {
		a.Places[0].Addresses = []netip.Addr{f.Address}
	}
	return task(&a).Text
}

// placeWords adds the words for the places of advice, and returns the lines of the places if they are more than one:
//
//   - {paths} is what the sentence is about: the one place, or "9 paths to 6 hosts"; {these} is the same again, as the
//     object of a request: "it", "them" or "the paths below".
//   - {hosts} is the one host, or "6 hosts"; {this host} is the one host, or "these hosts"; {they} is "it" or "them".
func placeWords(a *report.Advice, words map[string]string) (lines []string) {
	lines = each(a.Places, placeLine)
	hosts := distinct(each(a.Places, func(p *report.Place) string { return text(p.Host) }))
	words["hosts"], words["they"] = count(len(hosts), "host"), "them"
	if len(hosts) == 1 {
		words["hosts"], words["they"] = hosts[0], "it"
	}
	words["this host"] = plural(len(a.Places), words["hosts"], "these hosts")
	if len(lines) == 1 {
		words["paths"], words["these"] = lines[0], plural(a.Paths, "it", "them")
		return nil
	}
	words["paths"], words["these"] = count(a.Paths, "path")+" to "+words["hosts"], "the paths below"
	return lines
}

// task words one item of advice: the verdict, the fact, and one action.
func task(a *report.Advice) Task {
	if a.Kind == reason.NoAdvice {
		return Task{}
	}
	sentence := adviceTexts[a.Kind]
	broken, working, record := familyWords(a.Family)
	words := map[string]string{
		"blocked": blockedText(a), "about": "",
		"this path": plural(a.Paths, "this path", "these paths"), "leads": plural(a.Paths, "leads", "lead"),
		"host": plural(len(a.Places), "the host", "these hosts"), "name": plural(len(a.Places), "the name", "these names"),
		"all hosts": count(len(a.Places), "host"), "ask": askText(a),
		"broken": broken, "working": working, "record": record, "certificate": certificateFor(a), "proxy": proxyText(a.Proxy),
		"servers": serversText(a), "cut off": cutOffText(a), "lost": secondsText(a.Lost), "keepalive": secondsText(a.Keepalive),
		"resolvers": plural(len(a.Resolvers), "the DNS server", "the DNS servers"), "have": plural(len(a.Resolvers), "has", "have"),
	}
	t := Task{For: withPassing(a, placeWords(a, words)), Paths: a.Paths}
	// Not exhaustive: the other kinds need no more words, and list the lines of their places.
	//exhaustive:ignore
	switch a.Kind {
	case reason.ExemptFromInspection:
		words["signed"] = fmt.Sprintf("%s, and devices refuse %s.", inspectedText(a), plural(a.Paths, "it", "them"))
		if a.Certificate.Detail.Kind == measurement.DetailTrustMachineRoot {
			sentence = "TLS is inspected on {paths}: {signed} The root of that signer is installed on this machine; devices do not have it. " +
				"Ask the network's owner to exempt {this path} from TLS inspection. If this site's devices do have that root, set ca_file or " +
				"system_roots in the configuration."
		}
	case reason.ExemptNameFromFilter:
		t.For = hostLines(a)
		if len(t.For) == 0 {
			intended := "; if that address is intended, set addresses: any for this endpoint"
			if !slices.ContainsFunc(a.Places[0].Addresses, func(addr netip.Addr) bool { return !addr.Unmap().IsUnspecified() }) {
				intended = "" // it names no host
			}
			words["addresses"] = list(addresses(a.Places[0].Addresses))
			sentence = "The site's DNS server diverts {hosts} to {addresses}, which cannot be the cloud. " +
				"Ask the network's owner to exempt the name from DNS filtering" + intended + "."
		}
	case reason.AllowMoreTimeForNames:
		if len(a.Places) > 0 {
			words["about"] = " about " + words["hosts"]
		}
		t.For = hostLines(a)
	case reason.FindRoute, reason.ResolveName, reason.RepeatLookup, reason.UnblockName, reason.CheckHostName:
		t.For = hostLines(a)
	case reason.StopStaleRecords:
		words["keeps"] = cmp.Or(keepsText[a.Staleness.Verdict], keepsText[staleness.Suspect])
		words["first host"], words["why"] = text(a.Places[0].Host), StalenessText(a.Staleness)
		t.For = hostLines(a)
	case reason.ResolveAtServer, reason.RepeatLookupAtServer:
		s := &a.Resolvers[0]
		n := len(s.OnlyHere)
		words["server"], words["failures"], words["only here"] = serverName(s.Server), failureTexts(s), count(n, "host")
		words["the hosts"], words["the names"] = plural(n, "the host", "the hosts"), plural(n, "the name", "the names")
		if t.For = safeTexts(s.OnlyHere); n == 1 {
			words["only here"], t.For = t.For[0], nil
		}
	case reason.SetResolvers, reason.AllowQueries, reason.PassProxy:
		t.For = nil
	case reason.JoinNetwork:
		t.For = append(networkCommands(runtime.GOOS), queryCommand(runtime.GOOS, a)...)
	case reason.CheckForwarders, reason.AllowNames:
		t.For = queryCommand(runtime.GOOS, a)
	case reason.FindOwnRoute:
		t.For = networkCommands(runtime.GOOS)
	case reason.OpenNetwork:
		t.For = each(a.Places, placeLine)
	}
	t.Text = fill(sentence, words)
	if slices.Contains(withWorkaround, a.Kind) {
		t.Text += passingText(a)
	}
	return t
}

// adviceTexts has the sentences for each kind of advice, in which [task] replaces the names in braces.
var adviceTexts = map[reason.Advice]string{
	reason.ExemptFromInspection: "TLS is inspected on {paths}, or the cloud has a new authority: {signed} If other sites see the same signer (alert " +
		"EndpointInterceptedAtManySites), ask the cloud's operator whether it is theirs; if not, ask the network's owner to exempt {this path} from " +
		"TLS inspection.",
	reason.ExemptFromForgery: "TLS is inspected on {paths}: the certificates copy the issuer's name, but the expected authority did not sign them, " +
		"and devices refuse them. Ask the network's owner to exempt {these} from TLS inspection.",
	reason.FindReplayingBox: "TLS is intercepted on {paths}: the server sends the cloud's certificate but does not hold its key, and devices refuse it. " +
		"Ask the network's owner which device answers there, and to exempt {these} from TLS inspection.",
	reason.BypassProxy: "A proxy or firewall answers with its own web page on {paths}. " +
		"Ask the network's owner to let {these} pass without a proxy and without TLS inspection.",
	reason.ExemptNameFromFilter: "The site's DNS server diverts {hosts} to addresses that cannot be the cloud. Ask the network's owner to exempt the names from DNS filtering; " +
		"if these addresses are intended, set addresses: any for the endpoints.",
	reason.AllowOutbound: "Blocked: {paths}.{blocked} Ask the network's owner to allow {these} outbound, replies included.",
	reason.StopFiltering: "Handshake stopped: the connection opens on {paths}, but the TLS handshake gets no further.{blocked} " +
		"Ask the network's owner to exempt {these} from TLS inspection and application filtering.",
	reason.StopHelloFiltering: "Filtered: a browser's hello gets through on {paths}, and the device's does not.{blocked} " +
		"Ask the network's owner to exempt {these} from filtering by content.",
	reason.LetSessionFinish: "Handshake stopped: the server answers the hello on {paths}, but the session is cut before it is complete.{blocked} " +
		"Ask the network's owner whether a firewall, for example one that inspects certificates, or a limit on the size of packets acts on {these}.",
	reason.LetLargeDatagramsPass: "Large datagrams are lost on {paths}: small ones pass in both directions, the server's full answer does not arrive.{blocked} " +
		"Ask the network's owner to let fragments, and datagrams up to the path's MTU, pass in both directions on {these}.",
	reason.LetLargePacketsPass: "Large packets are lost on {paths}: the first part of the server's answer does not arrive, and a later part does.{blocked} " +
		"Ask the network's owner to check the MTU of tunnels and to let ICMP \"fragmentation needed\" and \"packet too big\" pass for {these}.",
	reason.LetIDRecordsPass: "DTLS records with a connection id are dropped on {paths}: the hello passes, and everything after it is lost.{blocked} " +
		"Ask the network's owner to let DTLS records of the content type 25 pass on {these}.",
	reason.CheckServer: "A server without TLS answers on {paths}. Check the port in the configuration first, then the load balancer in front of the " +
		"cloud; if both are right, ask the network's owner what answers there.",
	reason.AllowByName: "Partly blocked: {paths}, while other addresses of {host} pass. Devices that are given a blocked address stay offline. " +
		"Allow-lists by address go stale: ask the network's owner to allow the name instead.",
	reason.RepairFamily: "{broken} is broken: over {broken} nothing passes on {paths}, over {working} everything does. Devices that connect over {broken} stay offline. " +
		"Ask the network's owner to repair {broken}, or to have DNS give no {record} record for {host}.",
	reason.CheckAddress: "Wrong server: {paths} {leads} to another site's server{certificate}. Check that the name resolves to the right address, since a DNS server that keeps " +
		"old records leads there. If the address is right, ask the network's owner whether a proxy or a portal acts on {these}.",
	reason.FindRoute: "This machine has no route to any address of {hosts}. Ask the network's owner for a route, or for a DNS server that also gives " +
		"addresses of the other IP version.",
	reason.AskAboutAlert: "The handshake is refused with a TLS alert on {paths}. Ask the network's owner whether a firewall or proxy acts on {these}; " +
		"if not, tell the cloud's operator.",
	reason.AskAboutDeviceAlert: "The cloud accepts a browser's hello and refuses the device's on {paths}. If devices elsewhere connect, ask the network's owner " +
		"whether a firewall acts on {these}; if not, tell the cloud's operator.",
	reason.FindAlteringBox: "The answer on {paths} is not TLS: something other than the cloud answers, or alters the answer. " +
		"Ask the network's owner what acts on {these}; if nothing does, tell the cloud's operator.",
	reason.ReportUnfitAnswer: "A device cannot use the server's answer on {paths}. Send this report to the cloud's operator.",
	reason.CompleteChain: "The certificate on {paths} is one of the public web, but no chain leads from it to a known authority. If a browser on this machine " +
		"opens {this host}, update this machine's list of authorities (ca-certificates); if not, tell the operator of that server that an intermediate " +
		"certificate is missing.",
	reason.CheckClientCertificate: "The cloud refuses the configured client certificate on {paths}. Check that the certificate in client_certificate is valid and " +
		"known to the cloud.",
	reason.CheckCertificateThenFirewall: "The session ends after the configured client certificate, without a TLS alert, on {paths}. Check that the certificate in " +
		"client_certificate is valid and known to the cloud; if it is, ask the network's owner whether a firewall cuts {these}.",
	reason.ConfigureCertificate: "Not proved: on {paths} the session ends after the temporary client certificate, without a TLS alert. Either the cloud refuses " +
		"unregistered certificates in this way, or a firewall cuts the session. To decide it, set client_certificate to a device's certificate and " +
		"run the check again.",
	reason.NameAnchor: "Not judged: no trust anchor is known for {paths}, and without one a box that inspects TLS looks the same as the server. " +
		"Compare the issuer and the key with those that the server's operator names, or run the check again with --trust=FILE, the CA certificate " +
		"that the devices store; --trust=public if a browser's list of authorities decides.",
	reason.CheckClock: "The certificate on {paths} is not valid now. First check this machine's clock; if it is right, ask the cloud's operator for " +
		"a valid certificate.",
	reason.CheckName: "The certificate on {paths} is for another name, although the expected authority signed it. Check that the name resolves to the " +
		"right address; if it does, tell the cloud's operator.",
	reason.ResolveName: "No DNS server gives an address for {hosts}: devices cannot find {they}. {ask} the administrator of the site's DNS servers to let {name} resolve, " +
		"and to allow their queries to the Internet on port 53.",
	reason.RepeatLookup: "No DNS server answered in time for {hosts}. Try again, since questions and answers can be lost; if it lasts, ask the " +
		"administrator of the site's DNS servers why they do not answer for {name}.",
	reason.UnblockName: "The site's DNS server says that it filters {hosts}. Ask the network's owner to exempt {name} from DNS filtering.",
	reason.CheckHostName: "The zone's own servers have no such name or no address for {hosts}. Check the spelling of {host} in the configuration; if it is right, " +
		"tell the cloud's operator.",
	reason.SetResolvers: "Name the site's DNS servers in the configuration (resolvers: [ADDRESS]), or correct /etc/resolv.conf.",
	reason.AllowMoreTime: "The round ended too soon for {paths}: nothing is known about {these}. Raise survey.timeout and the scrape timeout, or " +
		"configure fewer hosts on this exporter.",
	reason.AllowMoreTimeForNames: "The round ended before {cut off} had answered{about}: nothing is known about the paths that depend on it. Try again; if it lasts, check " +
		"the site's DNS servers (endpoint_dns_lookup_duration_seconds), or raise survey.timeout and the scrape timeout.",
	reason.CheckThisMachine: "This machine could not probe {paths}: nothing is known about {these}. Check it for a lack of sockets, memory or routes.",
	reason.JoinNetwork: "First check that this machine is on the network: cable or signal, its address, its default route and {resolvers}, " +
		"with the commands below. If it is, ask the network's owner why {resolvers} cannot be reached on UDP and TCP 53: " +
		"devices at this site cannot find the cloud either.",
	reason.CheckForwarders: "Most likely {resolvers} {have} no access to the Internet. Ask the administrator of the site's DNS to check UDP and TCP 53 outbound " +
		"and the configured forwarders. This command shows the answer:",
	reason.AllowQueries: "Ask the administrator of {resolvers} to answer queries from this machine and from the devices, or name another server under " +
		"resolvers.",
	reason.AllowNames: "Ask the administrator of the site's DNS servers to let the names of all {all hosts} resolve: they may be filtered, or the network " +
		"may be closed. This command shows the answer:",
	reason.FindOwnRoute: "Check that this machine is on the network: cable or signal, then its address and its default route, with these commands:",
	reason.OpenNetwork: "First check that this machine reaches the Internet at all, for example a web site. If it does, ask the network's owner to allow the " +
		"paths below outbound, replies included, without TLS inspection or application filtering.",
	reason.PassProxy: "The environment of this machine names a proxy, {proxy}. Devices do not use a proxy, and neither does this check: what passes the " +
		"proxy does not help them. If the site lets traffic out only by its proxy, ask the network's owner for an exception: direct " +
		"connections and DNS look-ups from the devices to the hosts above.",
	reason.StopStaleRecords: "DNS server {servers} is {keeps}: for {first host} it {why}.",
	reason.ReplaceResolver: "DNS server {servers} does not answer: devices that use it wait, or find no address. " +
		"Repair it, or remove it from the DHCP configuration.",
	reason.ResolveAtServer: "DNS server {server} gives no address for {only here} ({failures}), although another server does: devices that use it cannot find {the hosts}. " +
		"Ask the administrator of that server to let {the names} resolve.",
	reason.RepeatLookupAtServer: "DNS server {server} did not answer in time for {only here}, although it answers for others. Try again, since questions and answers can " +
		"be lost; if it lasts, ask the administrator of that server why it does not answer for {the hosts}.",
	reason.ShortenKeepalive: "Idle connections are dropped after {lost} on {paths}, and devices send a keepalive only every {keepalive}: they go offline without an error. " +
		"Set the keepalive below {lost}, or ask the network's owner to keep idle connections for longer than {keepalive}.",
}

// askText begins a request about names that do not resolve: "Ask", after a check of the spelling if every DNS server
// denies that the names exist.
func askText(a *report.Advice) string {
	denied := len(a.Resolvers) > 0
	for i := range a.Resolvers {
		for _, f := range a.Resolvers[i].Failures {
			denied = denied && (f == measurement.DNSNXDomain || f == measurement.DNSNoAddress)
		}
	}
	if !denied {
		return "Ask"
	}
	return fmt.Sprintf("Check the spelling of %s first. If it is right, ask", plural(len(a.Places), "the name", "the names"))
}

// proxyText is "proxy.example:3128 (HTTPS_PROXY)".
func proxyText(p report.Proxy) string {
	if p.Address == "" {
		return text(p.Variable)
	}
	return fmt.Sprintf("%s (%s)", text(p.Address), text(p.Variable))
}

// hostLines lists the hosts of advice that is about more than one, without their paths.
func hostLines(a *report.Advice) []string {
	lines := distinct(each(a.Places, hostLine))
	if len(lines) < 2 {
		return nil
	}
	return lines
}

func secondsText(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

// serversText names the DNS servers of advice.
func serversText(a *report.Advice) string {
	return list(each(a.Resolvers, func(s *report.ResolverSummary) string { return serverName(s.Server) }))
}

// inspectedText says who signed instead of the expected authority.
func inspectedText(a *report.Advice) string {
	what := plural(a.Paths, "the certificate is", "the certificates are")
	if a.Certificate.Expected == "" {
		return fmt.Sprintf("%s signed by %s, not by the expected authorities", what, signer(a.Certificate.Issuer))
	}
	is, expected := signerAndExpected(a.Certificate.Issuer, a.Certificate.Expected)
	return fmt.Sprintf("%s signed by %s, not by %s", what, is, expected)
}

// certificateFor says what the other server's certificate is for.
func certificateFor(a *report.Advice) string {
	if a.Certificate.Subject == "" {
		return ""
	}
	return ", with a certificate for " + subject(a.Certificate.Subject)
}

// passingText names the paths that devices can use meanwhile, if they are the same for every place. Otherwise the lines
// of the places name them.
func passingText(a *report.Advice) string {
	passing, same := commonPassing(a)
	if !same || len(passing) == 0 {
		return ""
	}
	return fmt.Sprintf(" Until then, set the devices to %s, which %s.", choice(pathNames(passing)), plural(len(passing), "passes", "pass"))
}

// commonPassing are the passing paths of every place, if they are the same.
func commonPassing(a *report.Advice) (passing []measurement.Path, same bool) {
	for i := range a.Places {
		if !slices.Equal(a.Places[i].Passing, a.Places[0].Passing) {
			return nil, false
		}
		passing = a.Places[i].Passing
	}
	return passing, true
}

// withWorkaround are the kinds of advice about paths in whose place devices can use another path of the host.
var withWorkaround = []reason.Advice{
	reason.ExemptFromInspection, reason.ExemptFromForgery, reason.FindReplayingBox, reason.BypassProxy, reason.AllowOutbound,
	reason.StopFiltering, reason.StopHelloFiltering, reason.LetSessionFinish, reason.LetLargeDatagramsPass, reason.LetLargePacketsPass,
	reason.LetIDRecordsPass, reason.CheckAddress, reason.RepairFamily,
}

// withPassing adds to the line of each place which paths pass meanwhile, if devices can be set to them and the sentence
// does not name them.
func withPassing(a *report.Advice, lines []string) []string {
	_, same := commonPassing(a)
	if same || !slices.Contains(withWorkaround, a.Kind) || len(lines) != len(a.Places) {
		return lines
	}
	out := slices.Clone(lines)
	for i := range out {
		if passing := a.Places[i].Passing; len(passing) > 0 {
			out[i] += fmt.Sprintf("; %s %s", list(pathNames(passing)), plural(len(passing), "passes", "pass"))
		} else {
			out[i] += "; no other path passes"
		}
	}
	return out
}

// blockedText says what a block costs devices.
func blockedText(a *report.Advice) string {
	out := ""
	allDown := !slices.ContainsFunc(a.Places, func(p report.Place) bool { return !p.Down })
	switch {
	case a.InspectedToo:
		out = fmt.Sprintf(" TLS is inspected on the other paths to %s: have that ended first, since it stops devices as well.",
			plural(len(a.Places), "the host", "at least one of these hosts"))
	case a.Alternates:
		out = " A device set to port 443 alternates between 443 and the cloud's own port after each error, so it connects late and looks healthy."
	case allDown:
		out = fmt.Sprintf(" No path to %s carries a device; one open path %s is enough.", plural(len(a.Places), "the host", "these hosts"),
			plural(len(a.Places), "to it", "to each"))
	}
	return out
}

// cutOffText names the DNS servers whose answers the deadline cut off.
func cutOffText(a *report.Advice) string {
	if len(a.Resolvers) == 0 {
		return "the DNS servers"
	}
	return plural(len(a.Resolvers), "DNS server ", "DNS servers ") + serversText(a)
}
