package idle

import (
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
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
		transport measurement.Transport
		nat       measurement.NAT
		want      []string
	}{
		"all survives": {Bounds{Survived: s(540), Reason: ReasonSurvived}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) survives, 100 s (Mbed OS) survives, 90 s (a page of the vendor's documentation) survives, 60 s (Edge) survives.",
			"Every device may keep its setting.",
		}},
		"a balancer of 350 s": {Bounds{Survived: s(240), Lost: s(350), Reason: ReasonReset}, measurement.TCP, measurement.SiteNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) survives, 90 s (a page of the vendor's documentation) survives, 60 s (Edge) survives.",
			"Set the keepalive to 100 seconds: " + setting + ".",
			nat,
		}},
		"a NAT of 70 s": {Bounds{Survived: s(60), Lost: s(90), Reason: ReasonDropped}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) does not survive, 90 s (a page of the vendor's documentation) does not survive, 60 s (Edge) survives.",
			"Set the keepalive to 60 seconds: " + setting + ".",
		}},
		"a NAT of 40 s": {Bounds{Survived: s(30), Lost: s(60), Reason: ReasonDropped}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) does not survive, 90 s (a page of the vendor's documentation) does not survive, 60 s (Edge) does not survive.",
			"Set the keepalive to 30 seconds at most: " + setting + ".",
		}},
		"a NAT of 10 s": {Bounds{Lost: s(30), Reason: ReasonDropped}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) does not survive, 90 s (a page of the vendor's documentation) does not survive, 60 s (Edge) does not survive.",
			"No silence that was measured survives here: measure shorter ones (--steps), or have the network's owner lengthen the idle timeout.",
		}},
		"unknown": {Bounds{Reason: ReasonUnknown}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) is not known to survive, 100 s (Mbed OS) is not known to survive, 90 s (a page of the vendor's documentation) is not known to survive, 60 s (Edge) is not known to survive.",
			"Nothing is known of silence on this path, so no setting can be recommended.",
		}},
		"nothing lost so far": {Bounds{Survived: s(60), Reason: ReasonSurvived}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) is not known to survive, 100 s (Mbed OS) is not known to survive, 90 s (a page of the vendor's documentation) is not known to survive, 60 s (Edge) survives.",
			"Nothing was lost up to 60 s, so no setting is recommended: measure up to 540 s (--steps) to know about longer keepalives.",
		}},
		"nothing lost within a moment": {Bounds{Survived: 100 * time.Millisecond, Reason: ReasonSurvived}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) is not known to survive, 100 s (Mbed OS) is not known to survive, 90 s (a page of the vendor's documentation) is not known to survive, 60 s (Edge) is not known to survive.",
			"Nothing was lost up to 0.1 s, so no setting is recommended: measure up to 540 s (--steps) to know about longer keepalives.",
		}},
		"now and then": {Bounds{Survived: s(540), Reason: ReasonSurvived, Unsteady: true}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) survives, 100 s (Mbed OS) survives, 90 s (a page of the vendor's documentation) survives, 60 s (Edge) survives.",
			"Connections ended, but not always after the same silence: measure again before a setting is changed.",
		}},
		"a server with a limit of 2 s": {Bounds{Survived: s(1), Closed: s(2), Reason: ReasonLimit}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) does not survive, 90 s (a page of the vendor's documentation) does not survive, 60 s (Edge) does not survive.",
			"Set the keepalive to 1 second: " + setting + ".",
		}},
		"a NAT of half a second": {Bounds{Survived: 100 * time.Millisecond, Lost: s(1), Reason: ReasonDropped}, measurement.TCP, measurement.NoNAT, []string{
			"Keepalives of devices: 540 s (the C client's default) does not survive, 100 s (Mbed OS) does not survive, 90 s (a page of the vendor's documentation) does not survive, 60 s (Edge) does not survive.",
			"A silence of 0.1 s survives, which is too short for a keepalive: measure longer ones (--steps), or have the network's owner lengthen the idle timeout.",
		}},
		"UDP survives": {Bounds{Survived: s(540), Reason: ReasonSurvived}, measurement.UDP, measurement.NoNAT, []string{
			"Over UDP a device sends no keepalive; it speaks at registration updates, at 75 % of the lifetime. Silences of up to 540 s survive here, enough for a lifetime of 720 s; for a longer one CoAP over TCP is the safe choice.",
		}},
		"UDP is forgotten": {Bounds{Survived: s(30), Lost: s(60), Reason: ReasonDropped}, measurement.UDP, measurement.CarrierNAT, []string{
			"UDP will not do here: a device sends no keepalive over it, and speaks more seldom than this path remembers. Use CoAP over TCP.",
			strings.Replace(nat, "private local address", "local address of a carrier's NAT", 1),
		}},
		"UDP unknown": {Bounds{Reason: ReasonUnknown}, measurement.UDP, measurement.NoNAT, []string{
			"Whether UDP will do here is not known. Over UDP a device sends no keepalive: where in doubt, use CoAP over TCP.",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			of := Measured{Transport: test.transport, Client: measurement.Device, NAT: test.nat, Whole: true}
			if got := Advice(&test.bounds, of); strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestNoSettingWhereNoneFollows gives bounds from which one would follow, were it not for what they are of.
func TestNoSettingWhereNoneFollows(t *testing.T) {
	bounds := Bounds{Survived: s(60), Lost: s(90), Reason: ReasonDropped}
	for name, test := range map[string]struct {
		of   Measured
		says string
	}{
		"a round that was interrupted": {Measured{Transport: measurement.TCP, Client: measurement.Device}, "No setting is recommended, as the measurement did not come to its end."},
		"a web host":                   {Measured{Transport: measurement.TCP, Client: measurement.Web, NAT: measurement.SiteNAT, Whole: true}, ""},
	} {
		said := strings.Join(Advice(&bounds, test.of), "\n")
		if strings.Contains(said, "Set the keepalive") || !strings.Contains(said, test.says) || test.says == "" && said != "" {
			t.Errorf("%s: %s", name, said)
		}
	}
}
