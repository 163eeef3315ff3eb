package main

import (
	"fmt"
	"io"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// writeList writes what --fault takes, and what the exporter owes for it, in lines of at most 80 columns.
func writeList(w io.Writer) {
	fmt.Fprint(w, `Faults of paths, as in --fault=bootstrap/tcp=intercept or --fault='*=slow:50ms'.
Beside each the reason that is due over TCP, over UDP and for a web host: "ok"
where the path still carries its client, "-" where it cannot have the fault.

`)
	const row = "%-23s %-15s %-15s %s\n"
	fmt.Fprintf(w, row, "FAULT", "TCP", "UDP", "WEB")
	for _, f := range lab.Faults() {
		fmt.Fprintf(w, row, f.Name, due(f.TCP), due(f.UDP), due(f.Web))
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

// writeText writes what a fault or a habit does, and what may follow its name.
func writeText(w io.Writer, does, argument string) {
	fmt.Fprintf(w, "    %s\n", does)
	if argument != "" {
		fmt.Fprintf(w, "    after a colon: %s\n", argument)
	}
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
