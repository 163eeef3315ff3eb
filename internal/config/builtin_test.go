package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestBuiltins(t *testing.T) {
	files, err := builtinFiles.ReadDir("builtin")
	if err != nil || len(files) != len(Builtins()) {
		t.Fatalf("%d files for %v: %v", len(files), Builtins(), err)
	}
	for _, name := range Builtins() {
		if _, err := builtin(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBuiltinIzumaAnchors compares the keys with the SHA-256 sums of the published ones.
func TestBuiltinIzumaAnchors(t *testing.T) {
	for name, want := range map[string][2]string{
		"arm-bootstrap": {"d7b2b483b862dc1c9ff95272321a54b4564e510df9d795456f49f5ea8831d9d6", "C=GB, ST=Cambridgeshire, L=Cambridge, O=ARM Ltd, CN=ARM Bootstrap CA"},
		"arm-lwm2m":     {"75382a05605a5ce830ab684f8ff84a74719408ee9fc2717907e90c4deff4df41", "C=GB, ST=Cambridgeshire, L=Cambridge, O=ARM Ltd, CN=ARM LwM2M CA"},
	} {
		anchor := Default().Trust[name]
		spki, err := base64.StdEncoding.DecodeString(anchor.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(spki); hex.EncodeToString(sum[:]) != want[0] {
			t.Errorf("%s: SHA-256 %x, want %s", name, sum, want[0])
		}
		if anchor.Issuer != want[1] {
			t.Errorf("%s: issuer %s, want %s", name, anchor.Issuer, want[1])
		}
	}
}

func TestBuiltinIzumaEndpoints(t *testing.T) {
	const three, udp, tcp, web = "tcp:5684 udp:5684 tcp:443", "udp:5684", "tcp:5684 tcp:443", "tcp:443"
	want := []struct{ service, trust, paths string }{
		{"bootstrap", "arm-bootstrap", three},
		{"containers", "web", web},
		{"gateways", "web", web},
		{"edge-k8s", "web", web},
		{"lwm2m", "arm-lwm2m", three},
		{"udp-lwm2m", "arm-lwm2m", udp},
		{"tcp-lwm2m", "arm-lwm2m", tcp},
	}
	got := Default().Endpoints
	if len(got) != len(want) {
		t.Fatalf("%d hosts, want %d", len(got), len(want))
	}
	total := 0
	for i, w := range want {
		e := got[i]
		total += len(e.Paths)
		if e.Service != w.service || e.Host != w.service+".us-east-1.mbedcloud.com" || e.Trust != w.trust || pathsOf(e) != w.paths {
			t.Errorf("%d: %+v, want %v", i, e, w)
		}
		device := w.trust != "web"
		if (e.Client == measurement.Device) != device || e.CoAPPing != device || (e.Keepalive == 540*time.Second) != device ||
			!e.SingleView || e.Addresses != AddressesPublic || !e.Finish {
			t.Errorf("%d: %+v", i, e)
		}
	}
	if total != 12 {
		t.Errorf("%d paths, want 12", total)
	}
}

func TestBuiltinSnapStore(t *testing.T) {
	c := parsed(t, "catalogues: [snap-store]")
	if len(c.Endpoints) != 8 {
		t.Fatalf("%d hosts, want 8", len(c.Endpoints))
	}
	for _, e := range c.Endpoints {
		if e.Client != measurement.Web || e.Trust != "web" || pathsOf(e) != "tcp:443" {
			t.Errorf("%+v", e)
		}
	}
}

func pathsOf(e Endpoint) string {
	var out []string
	for _, p := range e.Paths {
		out = append(out, string(p.Transport)+":"+strconv.Itoa(int(p.Port)))
	}
	return strings.Join(out, " ")
}

// TestCombine combines catalogues that were made by copying one and editing the copy.
func TestCombine(t *testing.T) {
	anchor := func(key string) map[string]TrustAnchor { return map[string]TrustAnchor{"cloud": {PublicKey: key}} }
	endpoint := func(host string) []Endpoint { return []Endpoint{{Service: "lwm2m", Host: host}} }
	for name, test := range map[string]struct {
		second catalogue
		want   []string
	}{
		"different names and hosts": {catalogue{trust: map[string]TrustAnchor{"cloud-2": {PublicKey: "B"}}, endpoints: endpoint("b.example")}, nil},
		"one anchor in both":        {catalogue{trust: anchor("A"), endpoints: endpoint("b.example")}, nil},
		"one name with two contents": {
			catalogue{trust: anchor("B"), endpoints: endpoint("b.example")},
			[]string{"both first and second define the trust anchor cloud, with different contents; use one of the two catalogues"},
		},
		"one service and host twice": {
			catalogue{trust: anchor("A"), endpoints: endpoint("a.example")},
			[]string{"both first and second have the service lwm2m with host a.example; use one of the two catalogues"},
		},
		"web with other contents": {
			catalogue{trust: map[string]TrustAnchor{WebTrust: {CAFile: "ca.pem"}}},
			[]string{"both the default and second define the trust anchor web, with different contents; use one of the two catalogues"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := catalogue{name: "first", trust: anchor("A"), endpoints: endpoint("a.example")}
			test.second.name = "second"
			c := defaults()
			if got := c.addCatalogues([]catalogue{first, test.second}); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := c.Trust["cloud"].PublicKey; got != "A" {
				t.Errorf("the anchor of the first catalogue became %q", got)
			}
		})
	}
}
