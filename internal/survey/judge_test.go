package survey

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// TestJudgeWalkWebHello has a path reset the device's hello and answer a browser's.
func TestJudgeWalkWebHello(t *testing.T) {
	const host = "lwm2m.example.com"
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		authority *lab.Authority
		leaf      lab.Leaf
		replayed  bool
		want      reason.Reason
	}{
		"what a device is shown":                           {mint.Bootstrap, lab.Leaf{}, false, reason.Reset},
		"a firewall's certificate":                         {mint.Inspector, lab.Leaf{DNSNames: []string{host}}, false, reason.WrongIssuer},
		"a certificate of the public web for this host":    {mint.Web, lab.Leaf{DNSNames: []string{host}}, false, reason.Reset},
		"the same, expired":                                {mint.Web, lab.Leaf{DNSNames: []string{host}, NotAfter: time.Now().Add(-day / 2)}, false, reason.Reset},
		"the same, by a clock that is slow":                {mint.Web, lab.Leaf{DNSNames: []string{host}, NotBefore: time.Now().Add(day)}, false, reason.Reset},
		"a certificate of the public web for another host": {mint.Web, lab.Leaf{DNSNames: []string{"tenant.example.net"}}, false, reason.Reset},
		"an expired one for another host":                  {mint.Web, lab.Leaf{DNSNames: []string{"tenant.example.net"}, NotAfter: time.Now().Add(-day / 2)}, false, reason.Reset},
		"one for another host, without its key":            {mint.Web, lab.Leaf{DNSNames: []string{"tenant.example.net"}}, true, reason.WrongIssuer},
		"one for this host, without its key":               {mint.Web, lab.Leaf{DNSNames: []string{host}}, true, reason.WrongIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			leaf := issued(t, test.authority, test.leaf)
			device, err := trust.NewCAs(nil, mint.Bootstrap.PEM())
			if err != nil {
				t.Fatal(err)
			}
			w := &world{anchor: device, public: trust.NewRoots(mint.Web.Pool())}
			s, _ := w.open(t, nil, host)
			r := &round{survey: s, site: w.site(nil, host)}
			walk := r.walk(r.judgeWalk(&config.Endpoint{Service: "lwm2m", Host: host, Client: measurement.Device}, &measurement.Outcome{
				Transport: measurement.TCP, Client: measurement.Device, FailedIn: measurement.Hello, Failure: measurement.Reset,
				Web: &measurement.Outcome{Client: measurement.Web, TLS: &measurement.TLS{
					RawChain: [][]byte{leaf.Raw}, SignatureChecked: true, KeyProved: !test.replayed,
				}},
			}), false)
			if walk.Finding.Reason != test.want {
				t.Errorf("%s (%+v), want %s", walk.Finding.Reason, walk.Finding, test.want)
			}
			elsewhere := test.want == reason.Reset && len(test.leaf.DNSNames) > 0 && test.leaf.DNSNames[0] != host
			if got := walk.Finding.Advice == reason.CheckAddress; got != elsewhere {
				t.Errorf("advice %q", walk.Finding.Advice)
			}
			// The metrics show the judgement by the device's own anchor.
			if authentic := test.authority == mint.Bootstrap; walk.Judgement.Authentic != authentic {
				t.Errorf("authentic: %v", walk.Judgement.Authentic)
			}
		})
	}
}

// issued returns a certificate of an authority.
func issued(t *testing.T, by *lab.Authority, leaf lab.Leaf) *x509.Certificate {
	t.Helper()
	leaf.CommonName = "any"
	pair, err := by.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestJudgeWalkWebHost has a list of roots that lacks one of the public web.
func TestJudgeWalkWebHost(t *testing.T) {
	const host = "api.example.com"
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		authority *lab.Authority
		names     []string
		replayed  bool
		want      reason.Reason
	}{
		"signed by it for this host":    {mint.Web, []string{host}, false, reason.DeviceUnfit},
		"signed by it for another host": {mint.Web, []string{"proxy.example.net"}, false, reason.WrongIssuer},
		"replayed without its key":      {mint.Web, []string{host}, true, reason.WrongIssuer},
		"a firewall's certificate":      {mint.Inspector, []string{host}, false, reason.WrongIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{anchor: trust.NewRoots(mint.LwM2M.Pool()), public: trust.NewRoots(mint.Web.Pool())}
			s, _ := w.open(t, nil, host)
			r := &round{survey: s, site: w.site(nil, host)}
			walk := r.walk(r.judgeWalk(&config.Endpoint{Service: "api", Host: host, Client: measurement.Web}, &measurement.Outcome{
				Transport: measurement.TCP, Client: measurement.Web, FailedIn: measurement.Ping, // nothing failed before it
				TLS: &measurement.TLS{
					RawChain:         [][]byte{issued(t, test.authority, lab.Leaf{DNSNames: test.names}).Raw},
					SignatureChecked: true, KeyProved: !test.replayed,
				},
			}), false)
			if walk.Finding.Reason != test.want {
				t.Errorf("%s (%+v), want %s", walk.Finding.Reason, walk.Finding, test.want)
			}
		})
	}
}
