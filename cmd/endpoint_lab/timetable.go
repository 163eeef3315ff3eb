package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// change is one fault to set, some time after the start.
type change struct {
	after        time.Duration
	where, fault string
}

func (c change) String() string { return fmt.Sprintf("%s: %s=%s", c.after, c.where, c.fault) }

// parseTimetable parses comma-separated entries AFTER:HOST=FAULT, with HOST and FAULT as in --fault, and sorts them
// by time.
func parseTimetable(text string) ([]change, error) {
	var out []change
	for _, entry := range strings.Split(text, ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		after, rest, _ := strings.Cut(strings.TrimSpace(entry), ":")
		where, fault, ok := strings.Cut(rest, "=")
		d, err := time.ParseDuration(after)
		if err != nil || !ok || where == "" || fault == "" {
			return nil, fmt.Errorf("--timetable: %q is not AFTER:HOST=FAULT, for example 60s:bootstrap/tcp=intercept", entry)
		}
		if d < 0 {
			return nil, fmt.Errorf("--timetable: %q: the time must not be negative", entry)
		}
		out = append(out, change{d, where, fault})
	}
	slices.SortStableFunc(out, func(a, b change) int { return cmp.Compare(a.after, b.after) })
	return out, nil
}

// applyChanges applies each change at its time, until ctx ends.
func applyChanges(ctx context.Context, table []change, set func(change)) {
	start := time.Now()
	for _, c := range table {
		select {
		case <-time.After(c.after - time.Since(start)):
			set(c)
		case <-ctx.Done():
			return
		}
	}
}
