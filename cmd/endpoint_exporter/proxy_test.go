package main

import (
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

func TestEnvironmentProxy(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		want        report.Proxy
	}{
		"none":                      {nil, report.Proxy{}},
		"empty":                     {map[string]string{"HTTPS_PROXY": ""}, report.Proxy{}},
		"a URL":                     {map[string]string{"HTTPS_PROXY": "http://proxy.example:3128/"}, report.Proxy{Variable: "HTTPS_PROXY", Address: "proxy.example:3128"}},
		"without a scheme":          {map[string]string{"https_proxy": "proxy.example:3128"}, report.Proxy{Variable: "https_proxy", Address: "proxy.example:3128"}},
		"with a password":           {map[string]string{"ALL_PROXY": "socks5://me:secret@192.0.2.1:1080"}, report.Proxy{Variable: "ALL_PROXY", Address: "192.0.2.1:1080"}},
		"a password, no scheme":     {map[string]string{"http_proxy": "me:secret@proxy.example:80"}, report.Proxy{Variable: "http_proxy", Address: "proxy.example:80"}},
		"the one for TLS first":     {map[string]string{"HTTP_PROXY": "a:1", "HTTPS_PROXY": "b:2"}, report.Proxy{Variable: "HTTPS_PROXY", Address: "b:2"}},
		"not a URL":                 {map[string]string{"HTTPS_PROXY": "http://me:sec ret@proxy example"}, report.Proxy{Variable: "HTTPS_PROXY"}},
		"a password with a percent": {map[string]string{"HTTPS_PROXY": "http://me:100%@proxy.example:1"}, report.Proxy{Variable: "HTTPS_PROXY"}},
	} {
		if got := environmentProxy(func(name string) string { return test.environment[name] }); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}
