package present

import (
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

// places is what a sentence says about the places of its advice.
type places struct {
	paths string // what the sentence is about: the one place, or "9 paths to 6 hosts"
	these string // the same again, as the object of a request: "it", "them" or "the paths below"
	hosts string // the one host, or "6 hosts"
	they  string // the hosts again: "it" or "them"
	lines []string
}

func placesOf(a *report.Advice) places {
	var hosts, lines []string
	for i := range a.Places {
		p := &a.Places[i]
		lines = append(lines, placeLine(p))
		if host := text(p.Host); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	out := places{hosts: count(len(hosts), "host"), they: "them", lines: lines}
	if len(hosts) == 1 {
		out.hosts, out.they = hosts[0], "it"
	}
	if len(lines) == 1 {
		out.paths, out.these, out.lines = lines[0], plural(a.Paths, "it", "them"), nil
		return out
	}
	out.paths, out.these = count(a.Paths, "path")+" to "+out.hosts, "the paths below"
	return out
}

// task words one item of advice: the verdict, the fact, and one action.
func task(a *report.Advice) Task {
	p := placesOf(a)
	t := Task{For: withPassing(a, p.lines), Paths: a.Paths}
	switch a.Kind {
	case reason.NoAdvice:
		return Task{}
	case reason.ExemptFromInspection:
		t.Text = inspectionText(a, p)
	case reason.ExemptFromForgery:
		t.Text = fmt.Sprintf("TLS is inspected on %s: the certificates copy the issuer's name, but the expected authority did not sign them, "+
			"and devices refuse them. Ask the network's owner to exempt %s from TLS inspection.", p.paths, p.these)
	case reason.FindReplayingBox:
		t.Text = fmt.Sprintf("TLS is intercepted on %s: the server sends the cloud's certificate but does not hold its key, and devices refuse it. "+
			"Ask the network's owner which device answers there, and to exempt %s from TLS inspection.", p.paths, p.these)
	case reason.BypassProxy:
		t.Text = fmt.Sprintf("A proxy or firewall answers with its own web page on %s. "+
			"Ask the network's owner to let %s pass without a proxy and without TLS inspection.", p.paths, p.these)
	case reason.ExemptNameFromFilter:
		t.Text, t.For = sinkholeText(a, p)
	case reason.AllowOutbound:
		t.Text = fmt.Sprintf("Blocked: %s.%s Ask the network's owner to allow %s outbound, replies included.", p.paths, blockedText(a), p.these)
	case reason.StopFiltering:
		t.Text = fmt.Sprintf("Handshake stopped: the connection opens on %s, but the TLS handshake gets no further.%s "+
			"Ask the network's owner to exempt %s from TLS inspection and application filtering.", p.paths, blockedText(a), p.these)
	case reason.StopHelloFiltering:
		t.Text = fmt.Sprintf("Filtered: a browser's hello gets through on %s, and the device's does not.%s "+
			"Ask the network's owner to exempt %s from filtering by content.", p.paths, blockedText(a), p.these)
	case reason.LetSessionFinish:
		t.Text = fmt.Sprintf("Handshake stopped: the server answers the hello on %s, but the session is cut before it is complete.%s "+
			"Ask the network's owner whether a firewall, for example one that inspects certificates, or a limit on the size of packets acts on %s.", p.paths, blockedText(a), p.these)
	case reason.LetLargeDatagramsPass:
		t.Text = fmt.Sprintf("Large datagrams are lost on %s: small ones pass in both directions, the server's full answer does not arrive.%s "+
			"Ask the network's owner to let fragments, and datagrams up to the path's MTU, pass in both directions on %s.", p.paths, blockedText(a), p.these)
	case reason.LetLargePacketsPass:
		t.Text = fmt.Sprintf("Large packets are lost on %s: the first part of the server's answer does not arrive, and a later part does.%s "+
			"Ask the network's owner to check the MTU of tunnels and to let ICMP \"fragmentation needed\" and \"packet too big\" pass for %s.",
			p.paths, blockedText(a), p.these)
	case reason.LetIDRecordsPass:
		t.Text = fmt.Sprintf("DTLS records with a connection id are dropped on %s: the hello passes, and everything after it is lost.%s "+
			"Ask the network's owner to let DTLS records of the content type 25 pass on %s.", p.paths, blockedText(a), p.these)
	case reason.CheckServer:
		t.Text = fmt.Sprintf("A server without TLS answers on %s. Check the port in the configuration first, then the load balancer in front of the "+
			"cloud; if both are right, ask the network's owner what answers there.", p.paths)
	case reason.AllowByName:
		t.Text = fmt.Sprintf("Partly blocked: %s, while other addresses of %s pass. Devices that are given a blocked address stay offline. "+
			"Allow-lists by address go stale: ask the network's owner to allow the name instead.", p.paths, plural(len(a.Places), "the host", "these hosts"))
	case reason.RepairFamily:
		broken, working, record := familyWords(a.Family)
		t.Text = fmt.Sprintf("%[1]s is broken: over %[1]s nothing passes on %[2]s, over %[3]s everything does. Devices that connect over %[1]s stay offline. "+
			"Ask the network's owner to repair %[1]s, or to have DNS give no %[4]s record for %[5]s.",
			broken, p.paths, working, record, plural(len(a.Places), "the host", "these hosts"))
	case reason.CheckAddress:
		t.Text = fmt.Sprintf("Wrong server: %s %s to another site's server%s. Check that the name resolves to the right address, since a DNS server that keeps "+
			"old records leads there. If the address is right, ask the network's owner whether a proxy or a portal acts on %s.",
			p.paths, plural(a.Paths, "leads", "lead"), certificateFor(a), p.these)
	case reason.FindRoute:
		t.Text = fmt.Sprintf("This machine has no route to any address of %s. Ask the network's owner for a route, or for a DNS server that also gives "+
			"addresses of the other IP version.", p.hosts)
		t.For = hostLines(a)
	case reason.AskAboutAlert:
		t.Text = fmt.Sprintf("The handshake is refused with a TLS alert on %s. Ask the network's owner whether a firewall or proxy acts on %s; "+
			"if not, tell the cloud's operator.", p.paths, p.these)
	case reason.AskAboutDeviceAlert:
		t.Text = fmt.Sprintf("The cloud accepts a browser's hello and refuses the device's on %s. If devices elsewhere connect, ask the network's owner "+
			"whether a firewall acts on %s; if not, tell the cloud's operator.", p.paths, p.these)
	case reason.FindAlteringBox:
		t.Text = fmt.Sprintf("The answer on %s is not TLS: something other than the cloud answers, or alters the answer. "+
			"Ask the network's owner what acts on %s; if nothing does, tell the cloud's operator.", p.paths, p.these)
	case reason.ReportUnfitAnswer:
		t.Text = fmt.Sprintf("A device cannot use the server's answer on %s. Send this report to the cloud's operator.", p.paths)
	case reason.CompleteChain:
		t.Text = fmt.Sprintf("The certificate on %s is one of the public web, but no chain leads from it to a known authority. If a browser on this machine "+
			"opens %s, update this machine's list of authorities (ca-certificates); if not, tell the operator of that server that an intermediate "+
			"certificate is missing.", p.paths, plural(len(a.Places), p.hosts, "these hosts"))
	case reason.CheckClientCertificate:
		t.Text = fmt.Sprintf("The cloud refuses the configured client certificate on %s. Check that the certificate in client_certificate is valid and "+
			"known to the cloud.", p.paths)
	case reason.CheckCertificateThenFirewall:
		t.Text = fmt.Sprintf("The session ends after the configured client certificate, without a TLS alert, on %s. Check that the certificate in "+
			"client_certificate is valid and known to the cloud; if it is, ask the network's owner whether a firewall cuts %s.", p.paths, p.these)
	case reason.ConfigureCertificate:
		t.Text = fmt.Sprintf("Not proved: on %s the session ends after the temporary client certificate, without a TLS alert. Either the cloud refuses "+
			"unregistered certificates in this way, or a firewall cuts the session. To decide it, set client_certificate to a device's certificate and "+
			"run the check again.", p.paths)
	case reason.NameAnchor:
		t.Text = fmt.Sprintf("Not judged: no trust anchor is known for %s, and without one a box that inspects TLS looks the same as the server. "+
			"Compare the issuer and the key with those that the server's operator names, or run the check again with --trust=FILE, the CA certificate "+
			"that the devices store; --trust=public if a browser's list of authorities decides.", p.paths)
	case reason.CheckClock:
		t.Text = fmt.Sprintf("The certificate on %s is not valid now. First check this machine's clock; if it is right, ask the cloud's operator for "+
			"a valid certificate.", p.paths)
	case reason.CheckName:
		t.Text = fmt.Sprintf("The certificate on %s is for another name, although the expected authority signed it. Check that the name resolves to the "+
			"right address; if it does, tell the cloud's operator.", p.paths)
	case reason.ResolveName:
		t.Text = fmt.Sprintf("No DNS server gives an address for %s: devices cannot find %s. %s the administrator of the site's DNS servers to let %s, "+
			"and to allow their queries to the Internet on port 53.", p.hosts, p.they, spellingFirst(a), plural(len(a.Places), "the name resolve", "these names resolve"))
		t.For = hostLines(a)
	case reason.RepeatLookup:
		t.Text = fmt.Sprintf("No DNS server answered in time for %s. Try again, since questions and answers can be lost; if it lasts, ask the "+
			"administrator of the site's DNS servers why they do not answer for %s.", p.hosts, plural(len(a.Places), "the name", "these names"))
		t.For = hostLines(a)
	case reason.UnblockName:
		t.Text = fmt.Sprintf("The site's DNS server says that it filters %s. Ask the network's owner to exempt %s from DNS filtering.",
			p.hosts, plural(len(a.Places), "the name", "these names"))
		t.For = hostLines(a)
	case reason.CheckHostName:
		t.Text = fmt.Sprintf("The zone's own servers have no such name or no address for %s. Check the spelling of %s in the configuration; if it is right, "+
			"tell the cloud's operator.", p.hosts, plural(len(a.Places), "the host", "these hosts"))
		t.For = hostLines(a)
	case reason.SetResolvers:
		t.Text = "Name the site's DNS servers in the configuration (resolvers: [ADDRESS]), or correct /etc/resolv.conf."
		t.For = nil
	case reason.AllowMoreTime:
		t.Text = fmt.Sprintf("The round ended too soon for %s: nothing is known about %s. Raise survey.timeout and the scrape timeout, or "+
			"configure fewer hosts on this exporter.", p.paths, p.these)
	case reason.AllowMoreTimeForNames:
		t.Text = fmt.Sprintf("The round ended before %s had answered%s: nothing is known about the paths that depend on it. Try again; if it lasts, check "+
			"the site's DNS servers (endpoint_dns_lookup_duration_seconds), or raise survey.timeout and the scrape timeout.",
			cutOffText(a), aboutHosts(a, p))
		t.For = hostLines(a)
	case reason.CheckThisMachine:
		t.Text = fmt.Sprintf("This machine could not probe %s: nothing is known about %s. Check it for a lack of sockets, memory or routes.", p.paths, p.these)
	case reason.JoinNetwork:
		t.Text = fmt.Sprintf("First check that this machine is on the network: cable or signal, its address, its default route and %[1]s, "+
			"with the commands below. If it is, ask the network's owner why %[1]s cannot be reached on UDP and TCP 53: "+
			"devices at this site cannot find the cloud either.", plural(len(a.Resolvers), "the DNS server", "the DNS servers"))
		t.For = append(networkCommands(runtime.GOOS), queryCommand(runtime.GOOS, a)...)
	case reason.CheckForwarders:
		t.Text = fmt.Sprintf("Most likely %s no access to the Internet. Ask the administrator of the site's DNS to check UDP and TCP 53 outbound "+
			"and the configured forwarders. This command shows the answer:", plural(len(a.Resolvers), "the DNS server has", "the DNS servers have"))
		t.For = queryCommand(runtime.GOOS, a)
	case reason.AllowQueries:
		t.Text = fmt.Sprintf("Ask the administrator of %s to answer queries from this machine and from the devices, or name another server under "+
			"resolvers.", plural(len(a.Resolvers), "the DNS server", "the DNS servers"))
		t.For = nil
	case reason.AllowNames:
		t.Text = fmt.Sprintf("Ask the administrator of the site's DNS servers to let the names of all %s resolve: they may be filtered, or the network "+
			"may be closed. This command shows the answer:", count(len(a.Places), "host"))
		t.For = queryCommand(runtime.GOOS, a)
	case reason.FindOwnRoute:
		t.Text = "Check that this machine is on the network: cable or signal, then its address and its default route, with these commands:"
		t.For = networkCommands(runtime.GOOS)
	case reason.OpenNetwork:
		t.Text = "First check that this machine reaches the Internet at all, for example a web site. If it does, ask the network's owner to allow the " +
			"paths below outbound, replies included, without TLS inspection or application filtering."
		t.For = placeLines(a.Places)
	case reason.PassProxy:
		t.Text = fmt.Sprintf("The environment of this machine names a proxy, %s. Devices do not use a proxy, and neither does this check: what passes the "+
			"proxy does not help them. If the site lets traffic out only by its proxy, ask the network's owner for an exception: direct "+
			"connections and DNS look-ups from the devices to the hosts above.", proxyText(a.Proxy))
		t.For = nil
	case reason.StopStaleRecords:
		proof := "is suspected of keeping records past their TTL"
		if a.Staleness.Verdict == staleness.Stale {
			proof = "is proved to keep records past their TTL"
		}
		t.Text = fmt.Sprintf("DNS server %s %s: for %s it %s.", serversText(a), proof, text(a.Places[0].Host), StalenessText(a.Staleness))
		t.For = hostLines(a)
	case reason.ReplaceResolver:
		t.Text = fmt.Sprintf("DNS server %s does not answer: devices that use it wait, or find no address. "+
			"Repair it, or remove it from the DHCP configuration.", serversText(a))
	case reason.ResolveAtServer:
		t.Text, t.For = resolveAtServerText(&a.Resolvers[0])
	case reason.RepeatLookupAtServer:
		about, these, lines := onlyHere(&a.Resolvers[0])
		t.Text = fmt.Sprintf("DNS server %s did not answer in time for %s, although it answers for others. Try again, since questions and answers can "+
			"be lost; if it lasts, ask the administrator of that server why it does not answer for %s.", serverName(a.Resolvers[0].Server), about, these)
		t.For = lines
	case reason.ShortenKeepalive:
		t.Text = fmt.Sprintf("Idle connections are dropped after %s on %s, and devices send a keepalive only every %s: they go offline without an error. "+
			"Set the keepalive below %[1]s, or ask the network's owner to keep idle connections for longer than %[3]s.",
			secondsText(a.Lost), p.paths, secondsText(a.Keepalive))
	}
	if slices.Contains(withWorkaround, a.Kind) {
		t.Text += passingText(a)
	}
	return t
}

// spellingFirst begins a request about names that do not resolve. A name that every DNS server denies may be
// misspelled.
func spellingFirst(a *report.Advice) string {
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
	var out []string
	for i := range a.Places {
		if line := hostLine(&a.Places[i]); !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

func secondsText(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

// serversText names the DNS servers of advice.
func serversText(a *report.Advice) string {
	var out []string
	for i := range a.Resolvers {
		out = append(out, serverName(a.Resolvers[i].Server))
	}
	return list(out)
}

// inspectionText says that another authority signed, what can explain it, and what decides between the explanations.
func inspectionText(a *report.Advice, p places) string {
	signed := fmt.Sprintf("%s, and devices refuse %s.", inspectedText(a), plural(a.Paths, "it", "them"))
	if a.Certificate.Detail.Kind == measurement.DetailTrustMachineRoot {
		return fmt.Sprintf("TLS is inspected on %s: %s The root of that signer is installed on this machine; devices do not have it. "+
			"Ask the network's owner to exempt %s from TLS inspection. If this site's devices do have that root, set ca_file or "+
			"system_roots in the configuration.", p.paths, signed, plural(a.Paths, "this path", "these paths"))
	}
	return fmt.Sprintf("TLS is inspected on %s, or the cloud has a new authority: %s If other sites see the same signer (alert "+
		"EndpointInterceptedAtManySites), ask the cloud's operator whether it is theirs; if not, ask the network's owner to exempt %s from "+
		"TLS inspection.", p.paths, signed, plural(a.Paths, "this path", "these paths"))
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

func sinkholeText(a *report.Advice, p places) (string, []string) {
	lines := hostLines(a)
	if len(lines) == 0 {
		intended := "; if that address is intended, set addresses: any for this endpoint"
		if !slices.ContainsFunc(a.Places[0].Addresses, func(addr netip.Addr) bool { return !addr.Unmap().IsUnspecified() }) {
			intended = "" // it names no host
		}
		return fmt.Sprintf("The site's DNS server diverts %s to %s, which cannot be the cloud. Ask the network's owner to exempt the name from DNS filtering%s.",
			p.hosts, list(addresses(a.Places[0].Addresses)), intended), nil
	}
	return fmt.Sprintf("The site's DNS server diverts %s to addresses that cannot be the cloud. Ask the network's owner to exempt the names from DNS filtering; "+
		"if these addresses are intended, set addresses: any for the endpoints.", p.hosts), lines
}

// cutOffText names the DNS servers whose answers the deadline cut off.
func cutOffText(a *report.Advice) string {
	if len(a.Resolvers) == 0 {
		return "the DNS servers"
	}
	return plural(len(a.Resolvers), "DNS server ", "DNS servers ") + serversText(a)
}

// aboutHosts is " about lwm2m.example.com"; "" if the advice is about no host.
func aboutHosts(a *report.Advice, p places) string {
	if len(a.Places) == 0 {
		return ""
	}
	return " about " + p.hosts
}

// onlyHere names the hosts for which a DNS server gives no address although another one does, as a count, as an object,
// and in lines if they are more than one.
func onlyHere(s *report.ResolverSummary) (about, these string, lines []string) {
	for _, host := range s.OnlyHere {
		lines = append(lines, text(host))
	}
	if len(lines) == 1 {
		return lines[0], "the host", nil
	}
	return count(len(lines), "host"), "the hosts", lines
}

func resolveAtServerText(s *report.ResolverSummary) (string, []string) {
	about, these, lines := onlyHere(s)
	return fmt.Sprintf("DNS server %s gives no address for %s (%s), although another server does: devices that use it cannot find %s. "+
		"Ask the administrator of that server to let %s.", serverName(s.Server), about, failureTexts(s), these,
		plural(len(s.OnlyHere), "the name resolve", "the names resolve")), lines
}
