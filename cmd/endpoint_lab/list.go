package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// writeList writes what --fault takes, and what the exporter owes for it.
func writeList(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FAULT\tDOES\tREASON (TCP)\tREASON (UDP)\tREASON (WEB)")
	for _, f := range lab.Faults() {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", withArgument(f.Name, f.Argument), f.Does, due(f.TCP), due(f.UDP), due(f.Web))
	}
	fmt.Fprintln(table, "\nRESOLVER\tDOES")
	for _, h := range lab.HabitList() {
		fmt.Fprintf(table, "%s\t%s\n", withArgument(h.Name, h.Argument), h.Does)
	}
	_ = table.Flush() // a terminal that went away needs no list
}

func withArgument(name, argument string) string {
	if argument == "" {
		return name
	}
	return fmt.Sprintf("%s[:%s]", name, argument)
}

// due is the reason owed: "-" where the fault cannot be set, "ok" where the path still works.
func due(d *lab.Due) string {
	switch {
	case d == nil:
		return "-"
	case d.Reason == "":
		return "ok"
	default:
		return d.Reason
	}
}
