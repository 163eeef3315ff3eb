package idle

import (
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
)

func TestCarries(t *testing.T) {
	for name, test := range map[string]struct {
		bounds                  Bounds
		sixty, hundred, longest Answer // of 60, 100 and 540 s
	}{
		"nothing known":           {Bounds{}, NotKnown, NotKnown, NotKnown},
		"all survives":            {Bounds{Survived: s(540)}, Carried, Carried, Carried},
		"between":                 {Bounds{Survived: s(60), Lost: s(120)}, Carried, NotKnown, NotCarried},
		"lost at it":              {Bounds{Survived: s(60), Lost: s(100)}, Carried, NotCarried, NotCarried},
		"the server's limit":      {Bounds{Survived: s(60), Closed: s(70)}, Carried, NotCarried, NotCarried},
		"lost before the limit":   {Bounds{Lost: s(50), Closed: s(70)}, NotCarried, NotCarried, NotCarried},
		"longer was not measured": {Bounds{Survived: s(100)}, Carried, Carried, NotKnown},
	} {
		for silence, want := range map[int]Answer{60: test.sixty, 100: test.hundred, 540: test.longest} {
			if got := test.bounds.Carries(s(silence)); got != want {
				t.Errorf("%s: %d s %q, want %q", name, silence, got, want)
			}
		}
	}
}

func TestAdvice(t *testing.T) {
	const (
		setting = "MBED_CLIENT_TCP_KEEPALIVE_INTERVAL in mbed_cloud_client_user_config.h, or mbed-client.tcp-keepalive-interval " +
			"in mbed_app.json (Mbed OS), never both: that gives duplicate definitions"
		nat = "There is a NAT on the way (private local address). Behind a NAT the vendor recommends CoAP over TCP, or a dedicated tunnel where UDP is a must."
	)
	for name, test := range map[string]struct {
		bounds    Bounds
		transport evidence.Transport
		nat       evidence.NAT
		want      []string
	}{
		"all survives": {Bounds{Survived: s(540), Reason: ReasonSurvived}, evidence.TCP, evidence.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) survives, 100 s (Mbed OS) survives, 90 s (a page of the vendor's documentation) survives, 60 s (Edge) survives.",
			"Every device may keep its setting.",
		}},
		"a balancer of 350 s": {Bounds{Survived: s(240), Lost: s(350), Reason: ReasonReset}, evidence.TCP, evidence.SiteNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) survives, 90 s (a page of the vendor's documentation) survives, 60 s (Edge) survives.",
			"Set the keepalive to 100 seconds: " + setting + ".",
			nat,
		}},
		"a NAT of 70 s": {Bounds{Survived: s(60), Lost: s(90), Reason: ReasonDropped}, evidence.TCP, evidence.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) does not survive, 90 s (a page of the vendor's documentation) does not survive, 60 s (Edge) survives.",
			"Set the keepalive to 60 seconds: " + setting + ".",
		}},
		"a NAT of 40 s": {Bounds{Survived: s(30), Lost: s(60), Reason: ReasonDropped}, evidence.TCP, evidence.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) does not survive, 90 s (a page of the vendor's documentation) does not survive, 60 s (Edge) does not survive.",
			"Set the keepalive to 30 seconds at most: " + setting + ".",
		}},
		"a NAT of 10 s": {Bounds{Lost: s(30), Reason: ReasonDropped}, evidence.TCP, evidence.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) does not survive, 90 s (a page of the vendor's documentation) does not survive, 60 s (Edge) does not survive.",
			"No silence that was measured survives here: measure shorter ones (--steps), or have the network's owner lengthen the idle timeout.",
		}},
		"unknown": {Bounds{Reason: ReasonUnknown}, evidence.TCP, evidence.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) is not known to survive, 100 s (Mbed OS) is not known to survive, 90 s (a page of the vendor's documentation) is not known to survive, 60 s (Edge) is not known to survive.",
			"Nothing is known of silence on this path, so no setting can be recommended.",
		}},
		"UDP survives": {Bounds{Survived: s(540), Reason: ReasonSurvived}, evidence.UDP, evidence.NoNAT, []string{
			"Over UDP a device sends no keepalive; it speaks at registration updates, at 75 % of the lifetime. Silences of up to 540 s survive here: a lifetime above 720 s needs CoAP over TCP.",
		}},
		"UDP is forgotten": {Bounds{Survived: s(30), Lost: s(60), Reason: ReasonDropped}, evidence.UDP, evidence.CarrierNAT, []string{
			"UDP will not do here: a device sends no keepalive over it, and speaks more seldom than this path remembers. Use CoAP over TCP.",
			strings.Replace(nat, "private local address", "local address of a carrier's NAT", 1),
		}},
		"UDP unknown": {Bounds{Reason: ReasonUnknown}, evidence.UDP, evidence.NoNAT, []string{
			"Whether UDP will do here is not known. Over UDP a device sends no keepalive: where in doubt, use CoAP over TCP.",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Advice(&test.bounds, test.transport, test.nat); strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}
