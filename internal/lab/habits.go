package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// Habit is a named deviation of a resolver, for flags and timetables; tests set [Habits] directly.
type Habit struct {
	Name     string
	Argument string // as in Fault
	Does     string
}

// HabitList returns every named habit.
func HabitList() []Habit {
	return []Habit{
		{"honest", "", "keeps no record past its TTL"},
		{"min_ttl", "seconds, default 300", "keeps every record at least that long"},
		{"max_ttl", "seconds, default 300", "keeps every record that long and shows a TTL of at most 60 s"},
		{"stale_first", "TTL shown, default 30", "answers with expired records and refreshes afterwards"},
		{"serve_stale", "TTL shown, default 30", "answers with expired records while the zone is silent, and says so (EDE 3)"},
		{"frozen_ttl", "", "shows the zone's TTL, however old the record"},
		{"lossy", "percent, default 10", "leaves a share of the questions unanswered"},
		{"sinkhole", "address, default 0.0.0.0", "resolves every name to one address, 0.0.0.0 a sinkhole for every host"},
		{"nxdomain", "", "knows no name"},
		{"servfail", "", "fails for every name"},
		{"silent", "", "answers nothing"},
	}
}

// ErrHabit means that a habit is not on the list.
var ErrHabit = errors.New("no such habit of a resolver")

// shownByMax is the TTL that max_ttl shows: that of the lab's zone, so that it looks honest.
const shownByMax = 60

// ParseHabits reads NAME or NAME:ARGUMENT.
func ParseHabits(text string) (Habits, error) {
	name, argument, _ := strings.Cut(text, ":")
	var err error
	number := func(missing uint32) uint32 {
		if argument == "" {
			return missing
		}
		var n uint64
		n, err = strconv.ParseUint(argument, 10, 31)
		return uint32(n)
	}
	var h Habits
	switch name {
	case "honest":
	case "min_ttl":
		h.MinTTL = number(300)
	case "max_ttl":
		h.MinTTL, h.MaxTTL = number(300), shownByMax
	case "stale_first":
		h = Habits{StaleFirst: true, StaleTTL: number(30), EDE: true}
	case "serve_stale":
		h = Habits{ServeStale: true, StaleTTL: number(30), EDE: true}
	case "frozen_ttl":
		h.FrozenTTL = true
	case "lossy":
		h.DropShare = float64(number(10)) / 100
	case "sinkhole":
		h.Sinkhole = netip.IPv4Unspecified()
		if argument != "" {
			h.Sinkhole, err = netip.ParseAddr(argument)
		}
	case "nxdomain":
		h.Rcode = dns.RcodeNameError
	case "servfail":
		h.Rcode = dns.RcodeServerFailure
	case "silent":
		h.Silent = true
	default:
		return Habits{}, fmt.Errorf("%w: %q", ErrHabit, text)
	}
	takes := slices.ContainsFunc(HabitList(), func(h Habit) bool { return h.Name == name && h.Argument != "" })
	if argument != "" && !takes {
		return Habits{}, fmt.Errorf("%w: %s takes no argument", ErrHabit, name)
	}
	if err == nil && h.DropShare > 1 {
		err = fmt.Errorf("%s percent are more than all", argument)
	}
	if err != nil {
		return Habits{}, fmt.Errorf("%w: argument of %s: %w", ErrHabit, name, err)
	}
	return h, nil
}
