package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// saveCertificates writes the certificates that the servers of a report sent into a directory: for each address of each
// path one file in PEM, the leaf first. A list has at most [measurement.MaxChain] certificates, and a path at most
// survey.max_addresses lists.
func saveCertificates(directory string, rep *report.Report) error {
	if err := os.MkdirAll(directory, 0o755); err != nil { //nolint:gosec // certificates are public
		return err
	}
	for i := range rep.Hosts {
		h := &rep.Hosts[i]
		for j := range h.Paths {
			for k := range h.Paths[j].Walks {
				o := &h.Paths[j].Walks[k].Outcome
				seen := o.SawTLS().TLS
				if seen == nil {
					continue
				}
				var out bytes.Buffer
				for _, der := range seen.RawChain {
					if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
						return err
					}
				}
				name := fmt.Sprintf("%s_%s_%d_%s.pem", h.Endpoint.Host, o.Transport, o.Address.Port(), o.Address.Addr())
				name = strings.NewReplacer(":", "-", "%", "-", "/", "-", `\`, "-").Replace(name)         // IPv6 on Windows
				if err := os.WriteFile(filepath.Join(directory, name), out.Bytes(), 0o644); err != nil { //nolint:gosec // certificates are public
					return err
				}
			}
		}
	}
	return nil
}
