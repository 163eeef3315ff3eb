package survey

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/catalogue"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// TestWhatABrowserIsShownWhereADeviceIsCut has a path cut the device's hello and answer a browser's.
func TestWhatABrowserIsShownWhereADeviceIsCut(t *testing.T) {
	const host = "lwm2m.example.com"
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		authority *lab.Authority
		names     []string
		replayed  bool
		want      diagnose.Reason
	}{
		"what a device is shown":                           {mint.Bootstrap, nil, false, diagnose.Reset},
		"a firewall's certificate":                         {mint.Inspector, []string{host}, false, diagnose.WrongIssuer},
		"a certificate of the public web for this host":    {mint.Web, []string{host}, false, diagnose.Reset},
		"a certificate of the public web for another host": {mint.Web, []string{"proxy.example.net"}, false, diagnose.WrongIssuer},
		"one for this host, without its key":               {mint.Web, []string{host}, true, diagnose.WrongIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			issued, err := test.authority.Issue(lab.Leaf{CommonName: host, DNSNames: test.names})
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(issued.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			device, err := trust.NewCAs(nil, mint.Bootstrap.PEM())
			if err != nil {
				t.Fatal(err)
			}
			w := &world{anchor: device, public: trust.NewRoots(mint.Web.Pool())}
			s, _ := w.open(t, nil, host)
			r := &round{survey: s, site: w.site(nil, host)}
			walk := r.judgeWalk(&catalogue.Endpoint{Service: "lwm2m", Host: host, Client: evidence.Device}, &evidence.Outcome{
				Transport: evidence.TCP, Client: evidence.Device, FailedIn: evidence.Hello, Failure: evidence.Reset,
				Web: &evidence.Outcome{Client: evidence.Web, TLS: &evidence.TLS{
					Chain: []*x509.Certificate{leaf}, SignatureChecked: true, KeyProved: !test.replayed,
				}},
			})
			if walk.Finding.Reason != test.want {
				t.Errorf("%s (%s), want %s", walk.Finding.Reason, walk.Finding.Summary, test.want)
			}
			// The metrics say whom the device's own anchor would have taken.
			if authentic := test.authority == mint.Bootstrap; walk.Judgement.Authentic != authentic {
				t.Errorf("authentic: %v", walk.Judgement.Authentic)
			}
		})
	}
}
