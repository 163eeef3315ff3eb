package main

import (
	"bytes"
	"fmt"
	"net/netip"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// section is a generated part of a document, between two lines that name it.
type section struct {
	file, name string
	write      func(out *bytes.Buffer) error
}

var sections = []section{
	{"check.md", "reasons", writeReasons},
	{"firewall.md", "izuma-us-east-1", catalogue("izuma-us-east-1")},
	{"firewall.md", "snap-store", catalogue("snap-store")},
}

// replace replaces the section in the text of its document.
func (s *section) replace(text []byte) ([]byte, error) {
	begin := fmt.Appendf(nil, "<!-- %s: written by go generate ./collector -->\n", s.name)
	end := fmt.Appendf(nil, "<!-- %s: end -->\n", s.name)
	before, rest, found := bytes.Cut(text, begin)
	_, after, closed := bytes.Cut(rest, end)
	if !found || !closed {
		return nil, fmt.Errorf("%s: the lines around the section %s are missing", s.file, s.name)
	}
	out := bytes.NewBuffer(bytes.Clone(before))
	out.Write(begin)
	out.WriteString("\n")
	if err := s.write(out); err != nil {
		return nil, err
	}
	out.WriteString("\n")
	out.Write(end)
	out.Write(after)
	return out.Bytes(), nil
}

// writeReasons writes the table of reasons, with the advice that `check` gives where nothing more specific is known.
func writeReasons(out *bytes.Buffer) error {
	out.WriteString("| reason | class | meaning | what `check` advises |\n|---|---|---|---|\n")
	for _, info := range reason.All() {
		f := report.Finding{
			Reason: info.Reason, Advice: info.Advice, Transport: measurement.TCP, Address: netip.AddrFrom4([4]byte{10, 0, 0, 1}),
			Certificate: report.Certificate{Issuer: "O=Corporate Security, CN=SSLInspect", Expected: "C=GB, O=Example Ltd, CN=Example Device CA"},
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", info.Reason, info.Class, info.Meaning,
			present.AdviceText(&f, "coap.example.com", measurement.Path{Transport: measurement.TCP, Port: 5684}))
	}
	return nil
}

// catalogue returns a function that writes what a firewall must allow for a built-in catalogue.
func catalogue(name string) func(*bytes.Buffer) error {
	return func(out *bytes.Buffer) error {
		cfg, err := config.Parse([]byte("catalogues: ["+name+"]\n"), "")
		if err != nil {
			return err
		}
		return present.AllowListTable(out, cfg.Endpoints, cfg.Trust)
	}
}
