package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
)

// head is the prose above the tables.
//
//go:embed head.md
var head []byte

// listed is the most values of a label that stand in a metric's row. The one longer list, of reasons, has its own table.
const listed = 12

// meanings say for each reason what was seen.
var meanings = map[diagnose.Reason]string{
	diagnose.WrongIssuer:        "another authority than the expected one signed the certificate",
	diagnose.ForgedIssuer:       "the certificate names the right issuer, but was signed with another key",
	diagnose.KeyNotProved:       "the certificate is genuine, but whoever shows it cannot sign with its key",
	diagnose.BlockPage:          "an HTTP page answered where TLS was due",
	diagnose.Sinkhole:           "the name resolves to an address that cannot be the cloud: private, loopback, link-local or unspecified",
	diagnose.Refused:            "the connection was refused",
	diagnose.Reset:              "the connection was cut after our hello",
	diagnose.Closed:             "the connection was ended after our hello",
	diagnose.Silent:             "connected or sent, and nothing (or not all) came back",
	diagnose.Unreachable:        "no connection in time, an ICMP error, or no route",
	diagnose.Alert:              "a TLS alert refused the device's hello",
	diagnose.NotTLS:             "something else than TLS answered, or TLS that breaks the protocol",
	diagnose.DeviceUnfit:        "a device cannot take the answer: too large, RSA, another curve or version; a browser cannot follow the certificate to its authority",
	diagnose.CertificateRefused: "the server refused the client certificate of the configuration",
	diagnose.Expired:            "the certificate has expired",
	diagnose.NotYetValid:        "the certificate is not valid yet",
	diagnose.WrongName:          "the certificate is for another name (web clients only)",
	diagnose.DNSFailed:          "no resolver gave an address",
	diagnose.OutOfTime:          "the round's deadline came first, or this machine could not walk the path: says nothing about the path",
}

// reference is the whole document.
func reference() []byte {
	out := bytes.NewBuffer(bytes.Clone(head))
	group := ""
	for _, m := range collector.Metrics() {
		if m.Group != group {
			group = m.Group
			fmt.Fprintf(out, "\n## %s\n\n| name | type | labels | meaning |\n|---|---|---|---|\n", group)
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels(&m), m.Help)
	}
	out.WriteString("\n## Reasons\n\nThe label `reason` of `endpoint_path_failure` is one of these, each with its `class`.\n\n" +
		"| class | reason | what was seen |\n|---|---|---|\n")
	for _, r := range diagnose.Reasons() {
		fmt.Fprintf(out, "| %s | `%s` | %s |\n", diagnose.ClassOf(r), r, meanings[r])
	}
	return out.Bytes()
}

// labels lists a metric's labels with the values of those whose list is closed and short. The sets that most metrics
// share have a name, which the head of the document explains.
func labels(m *collector.Metric) string {
	var out []string
	rest := m.Labels
	for _, set := range []struct {
		name   string
		labels []string
	}{
		{"path", []string{"service", "host", "transport", "port"}},
		{"resolver", []string{"service", "host", "resolver"}},
		{"target", []string{"service", "host"}},
	} {
		if n := len(set.labels); len(rest) >= n && strings.Join(rest[:n], ",") == strings.Join(set.labels, ",") {
			out, rest = append(out, "*"+set.name+"*"), rest[n:]
			break
		}
	}
	for _, label := range rest {
		text := "`" + label + "`"
		if values := m.Values[label]; len(values) > listed {
			text += " ([list](#reasons))"
		} else if len(values) > 0 {
			text += " (`" + strings.Join(values, "`, `") + "`)"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
