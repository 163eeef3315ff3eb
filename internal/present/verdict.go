package present

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// verdictText says in one sentence, without a full stop, how the site stands.
func verdictText(s *report.Summary) string {
	facts := []string{pathsText(&s.Paths)}
	if n := s.Paths.PartlyUp; n > 0 {
		facts = append(facts, "some addresses fail on "+count(n, "path"))
	}
	for i := range s.Resolvers {
		r := &s.Resolvers[i]
		switch name := "DNS server " + serverName(r.Server); {
		case r.Stale:
			facts = append(facts, name+" keeps records past their TTL")
		case len(r.OnlyHere) > 0:
			facts = append(facts, name+" fails")
		case r.Suspect:
			facts = append(facts, name+" is suspected of keeping records past their TTL")
		}
	}
	return verdictStart(s) + ": " + strings.Join(facts, "; ")
}

func verdictStart(s *report.Summary) string {
	if s.Interrupted {
		return "Interrupted"
	}
	switch s.State {
	case report.Up:
		if s.Suspected {
			return "Nothing is proved wrong"
		}
		return "All is well"
	case report.Down:
		return "Something is wrong"
	case report.Unknown:
		switch {
		case s.Paths.Unknown > 0:
		case s.Paths.Unjudged > 0:
			return "Not judged"
		case s.Paths.Unproven > 0:
			return "Not proved"
		}
	}
	return "Not all is known"
}

// pathsText says how many paths carry a device, and what happened to the others.
func pathsText(c *report.PathCount) string {
	var one, many string
	switch {
	case c.All == 0:
		return "no path was probed"
	case c.Unknown == c.All:
		return plural(c.All, "the path was not probed to its end", fmt.Sprintf("none of the %d paths was probed to its end", c.All))
	case c.Up == c.All:
		one, many = "the path carries a device", "all %d paths carry a device"
	case c.Up > 0:
		many = strconv.Itoa(c.Up) + " of %d paths " + plural(c.Up, "carries", "carry") + " a device"
	case c.Unjudged == c.All:
		one, many = "the path is open, and no trust anchor is known for who answers", "all %d paths are open, and no trust anchor is known for who answers"
	case c.Unproven > 0:
		one, many = "the path is not proved to carry a device", "none of the %d paths is proved to carry a device"
	default:
		one, many = "the path does not carry a device", "none of the %d paths carries a device"
	}
	out := plural(c.All, one, fmt.Sprintf(many, c.All))
	var others []string
	if c.Unjudged > 0 && c.Unjudged < c.All {
		others = append(others, fmt.Sprintf("%d not judged", c.Unjudged))
	}
	if c.Unproven > 0 && c.Unproven < c.All {
		others = append(others, fmt.Sprintf("%d not proved", c.Unproven))
	}
	if c.Diverted > 0 {
		others = append(others, fmt.Sprintf("%d diverted by DNS", c.Diverted))
	}
	for _, class := range reason.Classes() {
		if n := c.ByClass[class.Class]; n > 0 {
			others = append(others, fmt.Sprintf("%d %s", n, class.Outcome))
		}
	}
	if len(others) > 0 {
		out += " (" + strings.Join(others, ", ") + ")"
	}
	return out
}
