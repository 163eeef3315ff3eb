package survey

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// TestJudgeWalkCertificates has servers show lists that package x509 cannot parse, or at which a device aborts.
func TestJudgeWalkCertificates(t *testing.T) {
	const host = "lwm2m.example.com"
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf := lab.Leaf{DNSNames: []string{host}}
	ours, inspector := issued(t, mint.Bootstrap, leaf).Raw, issued(t, mint.Inspector, leaf).Raw
	negative := func(der []byte) []byte { // with a signature that no longer matches
		der = bytes.Clone(der)
		serial := bytes.Index(der, []byte{0xa0, 3, 2, 1, 2, 2}) + 7 // after the version, a tag and a length
		der[serial] = 0x80
		return der
	}
	tests := []struct {
		name   string
		client measurement.Client
		chain  [][]byte
		want   reason.Reason
		issuer string // a part of it
	}{
		{"the cloud", measurement.Device, [][]byte{ours}, reason.OK, "ARM Bootstrap CA"},
		{"an inspecting firewall", measurement.Device, [][]byte{inspector}, reason.WrongIssuer, "SSLInspect"},
		{"an inspecting firewall with a negative serial number", measurement.Device, [][]byte{negative(inspector)}, reason.WrongIssuer, "SSLInspect"},
		{"the same on a web host", measurement.Web, [][]byte{negative(inspector)}, reason.WrongIssuer, "SSLInspect"},
		{"a forger with a negative serial number", measurement.Device, [][]byte{negative(ours)}, reason.ForgedIssuer, "ARM Bootstrap CA"},
		{"bytes that are not a certificate after the cloud's", measurement.Device, [][]byte{ours, make([]byte, 200)}, reason.DeviceUnfit, "ARM Bootstrap CA"},
		{"a web host with a root of this machine", measurement.Web, [][]byte{issued(t, mint.LwM2M, leaf).Raw}, reason.WrongIssuer, "ARM LwM2M CA"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			anchor, err := trust.NewCAs(nil, mint.Bootstrap.PEM())
			if err != nil {
				t.Fatal(err)
			}
			public := trust.NewPublicRoots(mint.Web.Pool(), func() *x509.CertPool { return mint.LwM2M.Pool() })
			if test.client == measurement.Web {
				anchor = public
			}
			w := &world{anchor: anchor, public: public}
			s, _ := w.open(t, nil, host)
			r := &round{survey: s, site: w.site(nil, host)}
			walk := r.walk(r.judgeWalk(&config.Endpoint{Service: "lwm2m", Host: host, Client: test.client}, &measurement.Outcome{
				Transport: measurement.TCP, Client: test.client, FailedIn: measurement.Ping, // nothing failed before it
				TLS: &measurement.TLS{RawChain: test.chain, SignatureChecked: true, KeyProved: true},
			}), false)
			if walk.Finding.Reason != test.want || !strings.Contains(walk.Judgement.Issuer, test.issuer) {
				t.Errorf("%s, issuer %q, want %s, %q", walk.Finding.Reason, walk.Judgement.Issuer, test.want, test.issuer)
			}
			if machine := strings.Contains(test.name, "root of this machine"); walk.Judgement.MachineRoot != machine {
				t.Errorf("machine root: %v", walk.Judgement.MachineRoot)
			}
		})
	}
}
