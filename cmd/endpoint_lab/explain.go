package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// maxKnown bounds the paths that an error lists: the lab has this many with one address each.
const maxKnown = 12

// explain adds a hint to an error of the lab: the known paths, or where the faults are listed.
func explain(l *lab.Lab, where string, err error) error {
	switch {
	case errors.Is(err, lab.ErrWhere):
		known := paths(l, where)
		more := ""
		if len(known) > maxKnown {
			known, more = known[:maxKnown], ", …"
		}
		return fmt.Errorf("%w; known are resolver, %s%s", err, strings.Join(known, ", "), more)
	case errors.Is(err, lab.ErrFault), errors.Is(err, lab.ErrHabit):
		return fmt.Errorf("%w; the command list lists them", err)
	}
	return err
}

// paths lists the values of --fault for the host in where, or for all hosts if it is unknown; with addresses if where
// has one.
func paths(l *lab.Lab, where string) []string {
	host, _, _ := strings.Cut(where, "/")
	host, _, addressed := strings.Cut(host, "@")
	var all, own []string
	for _, p := range l.Places() {
		label, _, _ := strings.Cut(p.Host.Name, ".")
		named := host == label || host == p.Host.Name
		at := label
		if named && addressed {
			at += "@" + p.Address.Addr().String()
		}
		path := fmt.Sprintf("%s/%s:%d", at, p.Path.Transport, p.Path.Nominal)
		if !slices.Contains(all, path) {
			all = append(all, path)
			if named {
				own = append(own, path)
			}
		}
	}
	if len(own) > 0 {
		return own
	}
	return all
}
