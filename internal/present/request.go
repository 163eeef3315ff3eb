package present

import (
	"fmt"
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// requests words what only the network's owner can change, ready to be sent to them: each kind of request once, with
// everything that it concerns.
func requests(s *report.Summary) []Task {
	var out []Task
	for _, info := range reason.Requests() {
		var asked []report.Advice
		for i := range s.Advice {
			if slices.Contains(info.Advice, s.Advice[i].Kind) {
				asked = append(asked, s.Advice[i])
			}
		}
		if len(asked) > 0 {
			out = append(out, request(info.Request, asked)...)
		}
	}
	return out
}

// request words one kind of request; asked is the advice that asks for it.
func request(kind reason.Request, asked []report.Advice) []Task {
	if kind == reason.RequestNames {
		return namesRequest(asked)
	}
	words, ok := requestTexts[kind]
	if !ok {
		return nil
	}
	lines := words.lines(asked)
	if len(lines) == 0 {
		return nil
	}
	return []Task{{Text: words.text, For: lines}}
}

// requestTexts has the words for each kind of request except RequestNames, and what they are about.
var requestTexts = map[reason.Request]struct {
	text  string
	lines func(asked []report.Advice) []string
}{
	reason.RequestDirect: {"Make the changes below for direct connections. Devices do not use a proxy, so that this one does not help them:", proxyLines},
	reason.RequestExemption: {"Exempt these from TLS inspection, and let them pass without a proxy. " +
		"Devices accept no certificate except their cloud's own:", placeLines},
	reason.RequestAllow:          {"Allow these outbound, replies included, without TLS inspection or application filtering:", placeLines},
	reason.RequestLargeDatagrams: {"Small datagrams pass on these, and large ones or their fragments are lost. Let them pass in both directions:", placeLines},
	reason.RequestBox: {"The answers on these do not come from the cloud, or are altered on the way. " +
		"Find out which device acts there, and exempt them:", placeLines},
	reason.RequestRoute: {"Give this network a route to these hosts, or a DNS server that also gives addresses of the other IP version:", nameLines},
	reason.RequestFamily: {"Over one IP version nothing passes on these, over the other everything does. " +
		"Repair it, or let the DNS servers give no addresses of it:", placeLines},
	reason.RequestExemptNames: {"Exempt these names from DNS filtering. They resolve to addresses that cannot be the cloud:", nameLines},
	reason.RequestAnswers:     {"Let these DNS servers answer the devices and this machine:", silentLines},
	reason.RequestTTL:         {"Let these DNS servers keep no record past its TTL: the cloud's addresses change, and devices connect to the old ones:", staleLines},
	reason.RequestIdle:        {"Keep idle connections on these for longer than the devices' keepalive:", idleLines},
}

func proxyLines(asked []report.Advice) []string {
	return each(asked, func(a *report.Advice) string { return proxyText(a.Proxy) })
}

func placeLines(asked []report.Advice) []string { return requestLines(asked, placeLine) }

func nameLines(asked []report.Advice) []string { return requestLines(asked, hostLine) }

// requestLines lists the places of advice, each once.
func requestLines(asked []report.Advice, line func(*report.Place) string) []string {
	var out []string
	for i := range asked {
		out = append(out, each(asked[i].Places, line)...)
	}
	return distinct(out)
}

// servers lists the DNS servers of advice, each once.
func servers(asked []report.Advice, want func(*report.ResolverSummary) bool) []*report.ResolverSummary {
	var out []*report.ResolverSummary
	for i := range asked {
		for j := range asked[i].Resolvers {
			s := &asked[i].Resolvers[j]
			if want(s) && !slices.ContainsFunc(out, func(known *report.ResolverSummary) bool { return known.Server == s.Server }) {
				out = append(out, s)
			}
		}
	}
	return out
}

func silentLines(asked []report.Advice) []string {
	silent := servers(asked, func(s *report.ResolverSummary) bool { return s.Silent })
	return each(silent, func(s **report.ResolverSummary) string { return serverFailures(*s) })
}

func namesRequest(asked []report.Advice) []Task {
	var out []Task
	for _, s := range servers(asked, func(s *report.ResolverSummary) bool { return len(s.Failing) > 0 }) {
		out = append(out, Task{Text: fmt.Sprintf("Let these names resolve at DNS server %s (%s):", serverName(s.Server), failureTexts(s)), For: safeTexts(s.Failing)})
	}
	return out
}

// staleLines names the DNS servers that are proved stale, with the proof for one host.
func staleLines(asked []report.Advice) []string {
	var out []string
	for i := range asked {
		if a := &asked[i]; a.Staleness.Verdict == staleness.Stale {
			out = append(out, fmt.Sprintf("%s: for %s it %s", serversText(a), text(a.Places[0].Host), StalenessText(a.Staleness)))
		}
	}
	return out
}

func idleLines(asked []report.Advice) []string {
	var out []string
	for i := range asked {
		a := &asked[i]
		for j := range a.Places {
			out = append(out, fmt.Sprintf("%s: dropped after %s, keepalive %s", placeLine(&a.Places[j]), secondsText(a.Lost), secondsText(a.Keepalive)))
		}
	}
	return out
}
