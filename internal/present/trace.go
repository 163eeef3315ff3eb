package present

import (
	"fmt"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Trace is how far the packets of a blocked path get: `check --trace`.
type Trace struct {
	Address string             `json:"address"`
	Packet  report.TracePacket `json:"packet"`
	Hops    []TraceHop         `json:"hops,omitempty"` // up to the last that answers
	Tried   int                `json:"tried_hops"`
	Ending  report.TraceEnding `json:"ending"`
	Text    string             `json:"text"`
}

// TraceHop is one hop.
type TraceHop struct {
	Hop     int               `json:"hop"` // the IP TTL
	Reply   report.TraceReply `json:"reply"`
	Address string            `json:"address,omitempty"`
	RTT     float64           `json:"rtt_seconds,omitempty"`
}

const headingTraces = "Where packets stop"

// newTrace words the trace of a path; nil without one.
func newTrace(r *report.Report, host string, path measurement.Path) *Trace {
	for i := range r.Traces {
		t := &r.Traces[i]
		if t.Host != host || t.Path != path {
			continue
		}
		out := &Trace{Address: address(t.Address), Packet: text(t.Packet), Tried: t.Tried, Ending: text(t.Ending), Text: traceText(t)}
		for j, h := range t.Hops {
			hop := TraceHop{Hop: j + 1, Reply: text(h.Reply), RTT: h.RTT.Seconds()}
			if h.Address.IsValid() {
				hop.Address = address(h.Address)
			}
			out.Hops = append(out.Hops, hop)
		}
		return out
	}
	return nil
}

// tracedPath is a path with a trace, for the views.
type tracedPath struct {
	Title string // "UDP 5684 to lwm2m.example.com (192.0.2.1), the device's hello"
	*Trace
}

func (v *View) tracedPaths() []tracedPath {
	var out []tracedPath
	for i := range v.Hosts {
		h := &v.Hosts[i]
		for j := range h.Paths {
			p := &h.Paths[j]
			if p.Trace == nil {
				continue
			}
			title := pathName(p.path()) + " to " + h.Host
			if h.Host != p.Trace.Address {
				title += " (" + p.Trace.Address + ")"
			}
			packet := "the device's hello"
			if p.Trace.Packet == report.TraceSYN {
				packet = "SYN"
			}
			out = append(out, tracedPath{title + ", " + packet, p.Trace})
		}
	}
	return out
}

// line is a hop in one line.
func (h *TraceHop) line() string {
	if h.Reply == report.TraceSilent {
		return "no answer"
	}
	who := h.Address
	if who == "" {
		who = "address not known"
	}
	return who + ", " + seconds(h.RTT)
}

// traceText says where packets stop, in sentences.
func traceText(t *report.Trace) string {
	last := len(t.Hops)
	at := ""
	if last > 0 {
		at = fmt.Sprintf("hop %d", last)
		if a := t.Hops[last-1].Address; a.IsValid() {
			at += " (" + address(a) + ")"
		}
	}
	switch t.Ending {
	case report.TraceLost:
		if last == 0 {
			return fmt.Sprintf("No hop answers, up to hop %d: the packets are lost before the first router that reports it, or the network drops ICMP errors.", t.Tried)
		}
		if last == t.Tried {
			return fmt.Sprintf("The packets do not arrive within %s.", count(t.Tried, "hop"))
		}
		return fmt.Sprintf("Lost at %s or after it: nothing answers from hop %d to hop %d.", at, last+1, t.Tried)
	case report.TraceStopped:
		return fmt.Sprintf("Rejected at %s: %s.", at, icmpText(&t.Hops[last-1]))
	case report.TraceTurnedDown:
		return fmt.Sprintf("Refused at %s, by the address itself or by a firewall in its name.", at)
	case report.TraceArrived:
		if t.Packet == report.TraceHello {
			return fmt.Sprintf("The hello arrives: %s acknowledges it. The answer is lost on the way back, or there is none.", at)
		}
		return fmt.Sprintf("Answered at %s: the path is not blocked now.", at)
	case report.TraceUnavailable:
		return "Not available on this system: only Linux tells a program without privileges which router reports about its packets."
	}
	return string(t.Ending)
}

// icmpText words the ICMP error of a rejection (RFC 792, RFC 1812, RFC 4443).
func icmpText(h *report.TraceHop) string {
	prohibited, unreachable := []int{9, 10, 13}, map[int]string{0: "network unreachable", 1: "host unreachable", 3: "port unreachable"}
	if h.Address.Is6() {
		prohibited, unreachable = []int{1, 5, 6}, map[int]string{0: "no route", 3: "address unreachable", 4: "port unreachable"}
	}
	if slices.Contains(prohibited, h.Code) {
		return fmt.Sprintf("ICMP administratively prohibited (code %d)", h.Code)
	}
	if words := unreachable[h.Code]; words != "" {
		return "ICMP " + words
	}
	if h.Code < 0 {
		return "ICMP error"
	}
	return fmt.Sprintf("ICMP code %d", h.Code)
}

// traces writes the traces after the table.
func (t *printer) traces(v *View) {
	traced := v.tracedPaths()
	if len(traced) == 0 {
		return
	}
	t.heading(headingTraces)
	for _, p := range traced {
		t.item("  - ", p.Title+":")
		for j := range p.Hops {
			t.item(fmt.Sprintf("    %3d  ", p.Hops[j].Hop), p.Hops[j].line())
		}
		t.item("    ", p.Text)
	}
}

// markdownTraces writes the traces as evidence.
func markdownTraces(b *strings.Builder, v *View) {
	traced := v.tracedPaths()
	if len(traced) == 0 {
		return
	}
	b.WriteString("\n## " + headingTraces + "\n\nPackets with increasing IP TTL, and which router reports that it is used up:\n\n")
	for _, p := range traced {
		fmt.Fprintf(b, "- %s: %s\n", cell(p.Title), cell(p.Text))
		for j := range p.Hops {
			fmt.Fprintf(b, "  - hop %d: %s\n", p.Hops[j].Hop, cell(p.Hops[j].line()))
		}
	}
}
