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
	for _, kind := range reason.Requests() {
		var asked []report.Advice
		for i := range s.Advice {
			if info, ok := s.Advice[i].Kind.Info(); ok && info.Request == kind {
				asked = append(asked, s.Advice[i])
			}
		}
		if len(asked) > 0 {
			out = append(out, request(kind, asked)...)
		}
	}
	return out
}

// request words one kind of request; asked is the advice that asks for it.
func request(kind reason.Request, asked []report.Advice) []Task {
	one := func(text string, lines []string) []Task {
		if len(lines) == 0 {
			return nil
		}
		return []Task{{Text: text, For: lines}}
	}
	switch kind {
	case reason.NoRequest:
		return nil
	case reason.RequestDirect:
		return one("Make the changes below for direct connections. Devices do not use a proxy, so that this one does not help them:", proxyLines(asked))
	case reason.RequestExemption:
		return one("Exempt these from TLS inspection, and let them pass without a proxy. Devices accept no certificate except their cloud's own:", requestLines(asked, placeLine))
	case reason.RequestAllow:
		return one("Allow these outbound, replies included, without TLS inspection or application filtering:", requestLines(asked, placeLine))
	case reason.RequestLargeDatagrams:
		return one("Small datagrams pass on these, and large ones or their fragments are lost. Let them pass in both directions:", requestLines(asked, placeLine))
	case reason.RequestBox:
		return one("The answers on these do not come from the cloud, or are altered on the way. Find out which device acts there, and exempt them:", requestLines(asked, placeLine))
	case reason.RequestRoute:
		return one("Give this network a route to these hosts, or a DNS server that also gives addresses of the other IP version:", requestLines(asked, hostLine))
	case reason.RequestFamily:
		return one("Over one IP version nothing passes on these, over the other everything does. Repair it, or let the DNS servers give no addresses of it:", requestLines(asked, placeLine))
	case reason.RequestExemptNames:
		return one("Exempt these names from DNS filtering. They resolve to addresses that cannot be the cloud:", requestLines(asked, hostLine))
	case reason.RequestAnswers:
		return one("Let these DNS servers answer the devices and this machine:", serverLines(asked, func(s *report.ResolverSummary) bool { return s.Silent }))
	case reason.RequestNames:
		return namesRequest(asked)
	case reason.RequestTTL:
		return one("Let these DNS servers keep no record past its TTL: the cloud's addresses change, and devices connect to the old ones:", staleLines(asked))
	case reason.RequestIdle:
		return one("Keep idle connections on these for longer than the devices' keepalive:", idleLines(asked))
	}
	return nil
}

// requestLines lists the places of advice, each once.
func requestLines(asked []report.Advice, line func(*report.Place) string) []string {
	var out []string
	for i := range asked {
		for j := range asked[i].Places {
			if l := line(&asked[i].Places[j]); !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out
}

// proxyLines lists the proxies of advice.
func proxyLines(asked []report.Advice) (out []string) {
	for i := range asked {
		out = append(out, proxyText(asked[i].Proxy))
	}
	return out
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

func serverLines(asked []report.Advice, want func(*report.ResolverSummary) bool) []string {
	var out []string
	for _, s := range servers(asked, want) {
		out = append(out, serverFailures(s))
	}
	return out
}

func namesRequest(asked []report.Advice) []Task {
	var out []Task
	for _, s := range servers(asked, func(s *report.ResolverSummary) bool { return len(s.Failing) > 0 }) {
		var hosts []string
		for _, host := range s.Failing {
			hosts = append(hosts, text(host))
		}
		out = append(out, Task{Text: fmt.Sprintf("Let these names resolve at DNS server %s (%s):", serverName(s.Server), failureTexts(s)), For: hosts})
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
