package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// PathFinding is one path of a host, to be compared with its others.
type PathFinding struct {
	measurement.Path
	Finding Finding
	// Addresses are the findings of each address that the path was walked to; they may be left out.
	Addresses []AddressFinding
}

// AddressFinding is one address on one path.
type AddressFinding struct {
	Address netip.Addr
	Finding Finding
}

// Comparison is one sentence about what a host's paths show together.
type Comparison struct {
	Text string
	// Class is what the sentence is about: interception or blocked.
	Class Class
	// Covers lists the paths whose blocked addresses the sentence says all about: advice on each of them would repeat it.
	Covers []measurement.Path
}

// altPort is the port that devices may be set to instead of their cloud's own. A client set to it alternates between it
// and its own port at each socket error, so that the one hides the other's fault.
const altPort = 443

// maxNamed is how many addresses a sentence names.
const maxNamed = 3

// Compare says what a host's paths show together that none shows alone, in sentences for a technician; none if there is
// nothing to say. Paths that the deadline cut off count for nothing.
func Compare(host string, paths []PathFinding) []Comparison {
	c := comparison{host: textOr(host, "the host")}
	for i := range paths {
		p := &paths[i]
		switch f := p.Finding; {
		case f.Reason == OutOfTime:
			continue
		case f.Reason == OK:
			c.open = append(c.open, p)
		case f.Class == ClassBlocked && !f.SmallOnly && !f.Elsewhere:
			c.blocked = append(c.blocked, p)
		case f.Class == ClassInterception && f.Reason != Sinkhole:
			c.intercepted = append(c.intercepted, p)
		default:
			c.other = append(c.other, p)
		}
	}
	var out []Comparison
	if len(c.open)+len(c.blocked)+len(c.intercepted)+len(c.other) > 1 {
		if len(c.open) == 0 {
			out = append(out, c.noneOpen()...)
		} else {
			out = append(out, c.someOpen()...)
		}
	}
	for i := range paths {
		if one, ok := oneOfMany(c.host, &paths[i]); ok {
			out = append(out, one)
		}
	}
	return out
}

// blockedOn is a sentence that covers blocked paths.
func blockedOn(paths []*PathFinding, format string, args ...any) Comparison {
	out := Comparison{Text: fmt.Sprintf(format, args...), Class: ClassBlocked}
	for _, p := range paths {
		out.Covers = append(out.Covers, p.Path)
	}
	return out
}

type comparison struct {
	host                              string
	open, blocked, intercepted, other []*PathFinding
}

// noneOpen speaks of a host that no path leads to. Where every path is intercepted, each one's own advice says all.
func (c *comparison) noneOpen() []Comparison {
	switch {
	case len(c.other) > 0 || len(c.blocked) == 0:
		return nil // each failure has its own advice; together they show nothing more
	case len(c.intercepted) == 0:
		return []Comparison{blockedOn(c.blocked, "Every path to %s is blocked (%s): devices cannot reach it. "+
			"Ask the network's owner to %s; one open path is enough for a device.", c.host, names(c.blocked), opening(c.blocked))}
	}
	out := blockedOn(c.blocked, "No path to %s carries a device: intercepted on %s, blocked on %s. "+
		"Have the host exempted from TLS inspection first; opening the other ports to the same inspection would not help.",
		c.host, names(c.intercepted), names(c.blocked))
	out.Class = ClassInterception
	return []Comparison{out}
}

// someOpen speaks of a host that some paths lead to and others do not.
func (c *comparison) someOpen() []Comparison {
	var out []Comparison
	if len(c.intercepted) > 0 {
		text := fmt.Sprintf("%s is intercepted on %s, while %s %s: devices that use the former stay offline. "+
			"Have %s exempted from TLS inspection, or set the devices to %s.",
			c.host, names(c.intercepted), names(c.open), passes(c.open), names(c.intercepted), either(c.open))
		out = append(out, Comparison{Text: text, Class: ClassInterception})
	}
	for _, p := range c.blocked {
		if one, ok := c.blockedBeside(p); ok {
			out = append(out, one)
		}
	}
	return out
}

// blockedBeside speaks of one blocked path of a host that others lead to; ok is false if they say nothing about it.
func (c *comparison) blockedBeside(p *PathFinding) (out Comparison, ok bool) {
	blocked, this := portName(p.Transport, p.Port), []*PathFinding{p}
	switch {
	case p.Transport == measurement.UDP && c.isOpen(measurement.TCP, p.Port):
		return blockedOn(this, "%s to %s is blocked, while %s passes: set the devices to TCP, or ask the network's owner to open %s.",
			blocked, c.host, portName(measurement.TCP, p.Port), blocked), true
	case p.Transport == measurement.TCP && p.Port != altPort && c.isOpen(measurement.TCP, altPort):
		return blockedOn(this, "%s to %s is blocked, while TCP %d passes: a device set to %d alternates between the two after each error, "+
			"so it connects late and may look healthy. Ask the network's owner to %s.", blocked, c.host, altPort, altPort, opening(this)), true
	case p.Transport == measurement.TCP && p.Port == altPort && slices.ContainsFunc(c.open, isTCP):
		return blockedOn(this, "%s to %s is blocked, while %s %s: devices set to %d lose every other attempt. "+
			"Set them to the port that passes, or ask the network's owner to %s.",
			blocked, c.host, names(c.open), passes(c.open), altPort, opening(this)), true
	case p.Transport == measurement.TCP && c.isOpen(measurement.UDP, p.Port):
		return blockedOn(this, "%s to %s is blocked, while %s passes: devices set to TCP stay offline. Ask the network's owner to %s.",
			blocked, c.host, portName(measurement.UDP, p.Port), opening(this)), true
	}
	return Comparison{}, false
}

// opening is what the network's owner is asked to do about blocked paths. Where the handshake is stopped after the connect,
// whoever tries the port finds it open already.
func opening(paths []*PathFinding) string {
	var shut, stopped []*PathFinding
	for _, p := range paths {
		if reason := p.Finding.Reason; isTCP(p) && (reason == Reset || reason == Closed || reason == Silent) {
			stopped = append(stopped, p)
		} else {
			shut = append(shut, p)
		}
	}
	exempt := fmt.Sprintf("exempt %s from TLS inspection and application filtering, since the connection opens and the handshake is stopped", names(stopped))
	switch {
	case len(stopped) == 0 && len(shut) > 1:
		return "open them"
	case len(stopped) == 0:
		return "open " + names(shut)
	case len(shut) == 0:
		return exempt
	}
	return "open " + names(shut) + ", and to " + exempt
}

func (c *comparison) isOpen(t measurement.Transport, port uint16) bool {
	return slices.ContainsFunc(c.open, func(p *PathFinding) bool { return p.Transport == t && p.Port == port })
}

func isTCP(p *PathFinding) bool { return p.Transport == measurement.TCP }

// oneOfMany speaks of a path that some addresses of a host pass and others do not: a device takes the first address that
// it is given and no other, so whoever is given a bad one stays offline although the path looks open.
func oneOfMany(host string, p *PathFinding) (out Comparison, ok bool) {
	var bad []string
	known, class := 0, ClassBlocked
	for _, a := range p.Addresses {
		if a.Finding.Reason == OutOfTime {
			continue
		}
		known++
		if a.Finding.Class == ClassInterception {
			class = ClassInterception
		}
		if a.Finding.Reason != OK {
			bad = append(bad, fmt.Sprintf("%s: %s", measurement.Text(a.Address.String()), a.Finding.Reason))
		}
	}
	if len(bad) == 0 || len(bad) == known {
		return Comparison{}, false
	}
	verb, them := "fail", "one of them"
	if len(bad) == 1 {
		verb, them = "fails", "it"
	}
	named := strings.Join(bad[:min(len(bad), maxNamed)], ", ")
	if more := len(bad) - maxNamed; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	out = blockedOn([]*PathFinding{p}, "On %s, %d of the %d addresses of %s %s (%s): devices that are given %s stay offline. "+
		"Allow-lists by address go stale; ask the network's owner to allow the name instead.",
		portName(p.Transport, p.Port), len(bad), known, host, verb, named, them)
	out.Class = class
	return out, true
}

// names lists paths: "TCP 5684, UDP 5684 and TCP 443".
func names(paths []*PathFinding) string { return join(paths, "and") }

func either(paths []*PathFinding) string { return join(paths, "or") }

func join(paths []*PathFinding, word string) string {
	var out []string
	for _, p := range paths {
		out = append(out, portName(p.Transport, p.Port))
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " " + word + " " + out[len(out)-1]
}

func passes(paths []*PathFinding) string {
	if len(paths) == 1 {
		return "passes"
	}
	return "pass"
}
