package main

import (
	"net/url"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// proxyVariables name a proxy in the environment of most programs, those for TLS first.
var proxyVariables = []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"}

// environmentProxy returns the proxy that the environment names. No path uses it, because devices do not; the report
// says so where direct paths fail. The value's user name and password are left out.
func environmentProxy(getenv func(string) string) report.Proxy {
	for _, variable := range proxyVariables {
		value := getenv(variable)
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		p := report.Proxy{Variable: variable}
		if u, err := url.Parse(value); err == nil {
			p.Address = u.Host
		}
		return p
	}
	return report.Proxy{}
}
