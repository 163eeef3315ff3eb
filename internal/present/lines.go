package present

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// doubt is why an address without a failure is not known to carry a device.
type doubt string

const (
	noDoubt   doubt = ""
	notProved doubt = "not proved"
	notJudged doubt = "not judged"
)

func (a *Address) doubt() doubt {
	switch {
	case a.Unjudged:
		return notJudged
	case a.Unproven:
		return notProved
	}
	return noDoubt
}

// The lines of the table, which the terminal and the page share.

// word is the short result at the start of a line, with the state that colours it.
type word struct {
	Text  string
	State report.State
}

// stateWords are the results of most lines.
var stateWords = map[report.State]word{
	report.Up: {"ok", report.Up}, report.Down: {"FAIL", report.Down}, report.Unknown: {"?", report.Unknown},
}

var staleWord = word{"STALE", report.Down}

// reasonWord is the result of a path or an address. doubt is why a result without a reason is no success.
func reasonWord(r reason.Reason, doubt doubt) word {
	switch {
	case r == reason.OutOfTime, r == reason.OK && doubt != noDoubt:
		return stateWords[report.Unknown]
	case r == reason.OK:
		return stateWords[report.Up]
	}
	return stateWords[report.Down]
}

// resolverWord is the result for a resolver. A server whose staleness cannot be judged yet is not at fault.
func resolverWord(r *Resolver) word {
	switch {
	case r.Verdict == staleness.Stale:
		return staleWord
	case r.Failure == measurement.DNSOutOfTime:
		return stateWords[report.Unknown]
	case r.Failure != measurement.DNSOK, len(r.sinkholes) > 0:
		return stateWords[report.Down]
	case r.Verdict == staleness.Suspect:
		return stateWords[report.Unknown]
	}
	return stateWords[report.Up]
}

// pathFindingText says why a path does not carry a device, with the answers of the DNS servers if they are the reason.
func pathFindingText(h *report.Host, p *report.Path) string {
	out := FindingText(&p.Finding)
	if p.Finding.Reason != reason.DNSFailed {
		return out
	}
	var failures []string
	for i := range h.Resolvers {
		l := &h.Resolvers[i].Lookup
		if l.Failure == measurement.DNSOK || l.Failure == measurement.DNSOutOfTime {
			continue
		}
		failures = append(failures, address(l.Resolver)+": "+lookupFailureText(l.Failure, dnsDetailText(l.Detail)))
	}
	if len(failures) > 0 {
		out += " at " + strings.Join(failures, "; ")
	}
	return out
}

// lookupFailureText is "the name does not exist (detail)".
func lookupFailureText(f measurement.DNSFailure, detail string) string {
	return withNote(dnsFailureText[f], detail)
}

// pathAdviceText is the first of the host's advice that is about a path.
func pathAdviceText(h *report.Host, p *report.Path) string {
	for i := range h.Advice {
		if slices.ContainsFunc(h.Advice[i].Places, func(place report.Place) bool { return slices.Contains(place.Paths, p.Path) }) {
			return task(&h.Advice[i]).Text
		}
	}
	return ""
}

// pathLine says why no address of a path was probed. The answers of the DNS servers have their own lines.
func pathLine(p *Path) string {
	if p.Reason == reason.DNSFailed {
		return withDetail(string(p.Reason), "no address")
	}
	return withDetail(string(p.Reason), p.Seen)
}

// tookText is how long connect and hello took together.
func tookText(a *Address) string {
	hello, ok := a.Seconds[string(measurement.Hello)]
	if !ok {
		return "–"
	}
	return seconds(a.Seconds[string(measurement.Connect)] + hello)
}

// expiresSoon is how long before its end the table shows a certificate's last day.
const expiresSoon = 30 * 24 * time.Hour

// addressLine says what happened at one address: the failure, or who signed and how far the session went.
func addressLine(a *Address) string {
	var parts []string
	if a.Withdrawn {
		parts = append(parts, "withdrawn from the zone")
	}
	if a.Reason != reason.OK {
		return strings.Join(append(parts, withDetail(string(a.Reason), a.Seen)), ", ")
	}
	if c := a.Certificate; c != nil {
		if a.Unjudged {
			parts = append(parts, unjudgedText(c))
		} else {
			parts = append(parts, "signed by "+commonName(c.Issuer))
		}
		if day, soon := lastDay(a); soon && !a.Unjudged {
			parts = append(parts, "valid until "+day)
		}
	}
	if unfinished := unfinishedText(a); unfinished != "" {
		parts = append(parts, unfinished)
	}
	if a.CoAP != "" {
		parts = append(parts, "ping "+a.CoAP+framingHint(a))
	}
	if a.Retransmissions > 0 {
		parts = append(parts, "retransmitted "+times(a.Retransmissions))
	}
	return strings.Join(parts, ", ")
}

// unjudgedText describes a certificate that was compared with no trust anchor, for a person to judge.
func unjudgedText(c *Certificate) string {
	out := fmt.Sprintf("not judged: signed by %s for %s, valid from %s to %s, SHA-256 of the key %s", c.Issuer, c.Subject,
		c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), c.PublicKeySHA256)
	if len(c.Chain) > 0 {
		out += ", sent with " + list(c.Chain)
	}
	return out
}

// framingHint says why a server leaves the ping unanswered, if it frames CoAP in another way than the configured one.
func framingHint(a *Address) string {
	if a.detail.Kind != measurement.DetailFramingRFC8323 {
		return ""
	}
	return " (" + a.Detail + "; set framing: rfc8323 for this endpoint if its devices use it)"
}

// lastDay is the last day of a certificate that expires soon.
func lastDay(a *Address) (day string, soon bool) {
	if c := a.Certificate; c != nil && c.NotAfter.Sub(a.started) < expiresSoon {
		return c.NotAfter.UTC().Format(time.DateOnly), true
	}
	return "", false
}

// addressFacts are those that addressLine shows. Two addresses with equal facts have the same line.
type addressFacts struct {
	finding                        report.Finding
	detail                         measurement.Detail
	issuer, lastDay, session, coap string
	withdrawn                      bool
	doubt                          doubt
	retransmissions                int
}

func factsOf(a *Address) addressFacts {
	out := addressFacts{
		finding: a.finding, detail: a.detail, session: a.Session, coap: a.CoAP, withdrawn: a.Withdrawn, doubt: a.doubt(), retransmissions: a.Retransmissions,
	}
	out.lastDay, _ = lastDay(a)
	if a.Certificate != nil {
		out.issuer = a.Certificate.Issuer
	}
	return out
}

// unfinishedText says how a session ended that was not completed although nothing is known to be wrong: the server
// refused the temporary certificate, or it is not proved who ended the session.
func unfinishedText(a *Address) string {
	if a.doubt() == notProved {
		return "not proved: " + a.Detail
	}
	if a.Session != sessionUnfinished || a.Reason != reason.OK {
		return ""
	}
	return withNote("session not finished, as expected without a client certificate", a.Detail)
}

// omittedText counts the addresses that were not probed.
func omittedText(n int) string {
	return plural(n, "1 more address, not probed", fmt.Sprintf("%d more addresses, not probed", n))
}

// idleLine says how long silence survives.
func idleLine(i *Idle) string {
	var parts []string
	if i.Why != "" {
		parts = append(parts, "idle: "+i.Why)
	}
	if i.behindNAT {
		parts = append(parts, "behind a NAT")
	}
	return strings.Join(parts, "; ")
}

// maxListedAddresses is the largest number of addresses that are listed for a DNS server; more are only counted.
const maxListedAddresses = 2

// keepsText words the verdicts that find a DNS server at fault.
var keepsText = map[staleness.Verdict]string{
	staleness.Stale:   "proved to keep records past their TTL",
	staleness.Suspect: "suspected of keeping records past their TTL",
}

// resolverLine says what a resolver answered, and what is wrong with the answer.
func resolverLine(r *Resolver, zone *Authority) string {
	switch {
	case r.Failure == measurement.DNSOutOfTime:
		return dnsFailureText[r.Failure]
	case r.Failure != measurement.DNSOK:
		return string(r.Failure) + ": " + lookupFailureText(r.Failure, r.Detail)
	}
	out := strings.Join(r.Addresses, ", ")
	if n := len(r.Addresses); n > maxListedAddresses {
		out = fmt.Sprintf("%d addresses", n)
	}
	if r.TTLSeconds != nil {
		out += fmt.Sprintf(", TTL %g s", *r.TTLSeconds)
		switch {
		case zone == nil || zone.TTLSeconds == 0:
		case *r.TTLSeconds <= zone.TTLSeconds:
			out += fmt.Sprintf(" of %g s", zone.TTLSeconds)
		default:
			out += fmt.Sprintf(", the zone's is %g s", zone.TTLSeconds)
		}
	}
	if len(r.sinkholes) > 0 {
		out += "; " + list(r.sinkholes) + " cannot be the cloud"
	}
	if r.Detail != "" {
		out += "; " + r.Detail
	}
	if keeps := keepsText[r.Verdict]; keeps != "" {
		out += "; " + keeps
	}
	return out
}

// openVerdictLine says why a DNS server has no verdict on staleness:
// "192.0.2.53, for 7 hosts: still learning: 15 min left".
func openVerdictLine(o *report.OpenVerdict) string {
	return text(fmt.Sprintf("%s, for %s: %s", serverName(o.Server), plural(len(o.Hosts), text(o.Hosts[0]), fmt.Sprintf("%d hosts", len(o.Hosts))),
		StalenessText(o.Staleness)))
}

// openVerdictLines lists why DNS servers have no verdict, and whether more rounds can bring one.
func openVerdictLines(s *report.Summary) (lines []string, mayChange bool) {
	for i := range s.Open {
		lines = append(lines, openVerdictLine(&s.Open[i]))
		mayChange = mayChange || s.Open[i].MayChange
	}
	return lines, mayChange
}

// Headings and notes of more than one view.
const (
	headingWaiting  = "The first measurement of this configuration is running"
	headingTodo     = "What to do"
	headingUnprobed = "Paths that were not probed"
	headingOpen     = "Not known yet: whether DNS servers keep records past their TTL"
)

// hostPaths lists a host's paths: "TCP 5684, UDP 5684 and TCP 443".
func hostPaths(h *Host) string {
	return list(each(h.Paths, func(p *Path) string { return pathName(p.path()) }))
}

// sourceText says which configuration and which DNS servers a report rests on.
func sourceText(v *View) string {
	out := "Configuration: " + v.Configuration
	if len(v.Resolvers) > 0 {
		out += fmt.Sprintf("; DNS %s: %s", plural(len(v.Resolvers), "server", "servers"), list(v.Resolvers))
	}
	if v.Proxy != "" {
		out += "; proxy of this machine, which devices do not use: " + v.Proxy
	}
	return out + "."
}

// maxLocalAddresses is the largest number of local addresses that the views name.
const maxLocalAddresses = 2

// fromText names the machine that probed, with the addresses that it probed from if they are few.
func fromText(v *View) string {
	var local []string
	for i := range v.Hosts {
		for j := range v.Hosts[i].Paths {
			for k := range v.Hosts[i].Paths[j].Addresses {
				if a := v.Hosts[i].Paths[j].Addresses[k].Local; a != "" && !slices.Contains(local, a) {
					local = append(local, a)
				}
			}
		}
	}
	if len(local) > maxLocalAddresses {
		return v.Site
	}
	return withNote(v.Site, strings.Join(local, ", "))
}

// authorityPathText says what keeps this machine from the zones' authoritative servers.
var authorityPathText = map[measurement.Port53State]string{
	measurement.Port53Blocked:          "Port 53 to the zones' authoritative servers is blocked: staleness cannot be proved here.",
	measurement.Port53Intercepted:      "Port 53 to the zones' authoritative servers is intercepted: staleness cannot be proved here.",
	measurement.Port53NotAuthoritative: "The answers on port 53 of the zones' authoritative servers are not authoritative: staleness cannot be proved here.",
}
