package main

import (
	"fmt"
	"io"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// writeList writes the values of --fault and the verdicts that they cause, in lines of at most 80 columns.
func writeList(w io.Writer) {
	fmt.Fprint(w, `Faults of paths, as in --fault=bootstrap/tcp=intercept or --fault='*=slow:50ms'.
The columns are the reasons expected over TCP, over UDP and for a web host:
"ok" if the path still carries its client, "-" if it cannot have the fault.

`)
	const row = "%-23s %-15s %-15s %s\n"
	fmt.Fprintf(w, row, "FAULT", "TCP", "UDP", "WEB")
	for _, f := range lab.Faults() {
		fmt.Fprintf(w, row, f.Name, verdict(f.TCP), verdict(f.UDP), verdict(f.Web))
		writeText(w, f.Does, f.Argument)
	}
	fmt.Fprint(w, `
Habits of the site's DNS server, as in --fault=resolver=min_ttl:300.

HABIT
`)
	for _, h := range lab.HabitList() {
		fmt.Fprintln(w, h.Name)
		writeText(w, h.Does, h.Argument)
	}
}

// writeText writes what a fault or a habit does, and its argument.
func writeText(w io.Writer, does, argument string) {
	fmt.Fprintf(w, "    %s\n", does)
	if argument != "" {
		fmt.Fprintf(w, "    after a colon: %s\n", argument)
	}
}

// verdict is the expected reason: "-" if the fault cannot be set, "ok" if the path still works.
func verdict(v *lab.Verdict) string {
	switch {
	case v == nil:
		return "-"
	case v.Reason == "":
		return "ok"
	default:
		return v.Reason
	}
}
