package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// maxFaultName bounds the body of a request that sets a fault.
const maxFaultName = 256

// errNoFault is the answer to a request without a body.
var errNoFault = errors.New("the body of the request must be a fault, as in: curl -X PUT -d refuse URL")

// control switches faults while the lab runs:
//
//	GET /faults          every path, its fault and the expected reason
//	PUT /fault/WHERE     body: the fault; WHERE as in --fault (bootstrap/tcp:5684, resolver)
//	GET /config          the exporter's configuration
func control(l *lab.Lab) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, p := range l.Places() {
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", p.Host.Name, p.Path.Transport, p.Path.Nominal, p.Address, p.Fault, verdict(&p.Verdict))
		}
		_ = table.Flush() // fails only if the client has gone
	})
	mux.HandleFunc("PUT /fault/{where...}", func(w http.ResponseWriter, r *http.Request) {
		fault, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFaultName))
		if where, fault := r.PathValue("where"), strings.TrimSpace(string(fault)); err == nil {
			err = errNoFault
			if fault != "" {
				err = explain(l, where, l.Set(where, fault))
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /config", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, l.Config()) })
	return mux
}
