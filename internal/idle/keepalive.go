package idle

import (
	"fmt"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Answer says whether a connection stays up under a keepalive.
type Answer string

const (
	Carried    Answer = "survives"
	NotCarried Answer = "does not survive"
	NotKnown   Answer = "is not known to survive"
)

// Carries says whether a connection survives silences of this length.
func (b *Bounds) Carries(silence time.Duration) Answer {
	switch {
	case b.Lost > 0 && silence >= b.Lost, b.Closed > 0 && silence >= b.Closed:
		return NotCarried
	case silence <= b.Survived:
		return Carried
	}
	return NotKnown
}

// Keepalive is the interval at which a build of the device's client speaks when it has nothing to say.
type Keepalive struct {
	Interval time.Duration
	Of       string
}

// Keepalives lists those that the vendor's builds and documentation have, the longest first.
func Keepalives() []Keepalive {
	return []Keepalive{
		{540 * time.Second, "the C client's default"},
		{100 * time.Second, "Mbed OS"},
		{90 * time.Second, "a page of the vendor's documentation"},
		{60 * time.Second, "Edge"},
	}
}

const (
	settings = "MBED_CLIENT_TCP_KEEPALIVE_INTERVAL in mbed_cloud_client_user_config.h, or " +
		"mbed-client.tcp-keepalive-interval in mbed_app.json (Mbed OS), never both: that gives duplicate definitions"
	adviceNAT = "There is a NAT on the way (%s). Behind a NAT the vendor recommends CoAP over TCP, or a dedicated tunnel where UDP is a must."
)

// Measured is what bounds are of.
type Measured struct {
	Transport measurement.Transport
	Client    measurement.Client
	NAT       measurement.NAT
	Whole     bool // the round came to its end
}

// Advice says to a person what the bounds of a path mean for devices and what to do: one sentence a line. A setting is named
// only where something was lost, by a round that came to its end. No device's keepalive keeps a web host's connections.
func Advice(b *Bounds, of Measured) []string {
	if of.Client != measurement.Device {
		return nil
	}
	var lines []string
	if of.Transport == measurement.UDP {
		lines = append(lines, adviceUDP(b))
	} else {
		lines = adviceTCP(b, of.Whole)
	}
	if of.NAT != measurement.NoNAT {
		lines = append(lines, fmt.Sprintf(adviceNAT, of.NAT))
	}
	return lines
}

// adviceUDP: a device sends no ping over UDP. It speaks at registration updates alone, at 75 % of the lifetime, so that
// a path that forgets within the longest keepalive forgets it between two of them.
func adviceUDP(b *Bounds) string {
	longest := Keepalives()[0].Interval
	switch b.Carries(longest) {
	case Carried:
		return fmt.Sprintf("Over UDP a device sends no keepalive; it speaks at registration updates, at 75 %% of the lifetime. "+
			"Silences of up to %s survive here, enough for a lifetime of %s; for a longer one CoAP over TCP is the safe choice.",
			Seconds(b.Survived), Seconds(b.Survived*4/3))
	case NotCarried:
		return "UDP will not do here: a device sends no keepalive over it, and speaks more seldom than this path remembers. Use CoAP over TCP."
	case NotKnown:
	}
	return "Whether UDP will do here is not known. Over UDP a device sends no keepalive: where in doubt, use CoAP over TCP."
}

func adviceTCP(b *Bounds, whole bool) []string {
	var said []string
	var best time.Duration // the longest known interval that survives
	for _, k := range Keepalives() {
		answer := b.Carries(k.Interval)
		if answer == Carried && best == 0 {
			best = k.Interval
		}
		said = append(said, fmt.Sprintf("%s (%s) %s", Seconds(k.Interval), k.Of, answer))
	}
	return []string{"Keepalives of devices: " + strings.Join(said, ", ") + ".", b.setting(best, whole)}
}

// setting is what to set a keepalive to, or why that is not known. best is the longest known interval that survives.
func (b *Bounds) setting(best time.Duration, whole bool) string {
	longest := Keepalives()[0].Interval
	switch {
	case !whole:
		return "No setting is recommended, as the measurement did not come to its end."
	case b.Lost == 0 && b.Closed == 0:
		switch {
		case b.Survived == 0:
			return "Nothing is known of silence on this path, so no setting can be recommended."
		case b.Unsteady:
			return "Connections ended, but not always after the same silence: measure again before a setting is changed."
		case best == longest:
			return "Every device may keep its setting."
		}
		return fmt.Sprintf("Nothing was lost up to %s, so no setting is recommended: measure up to %s (--steps) to know about longer keepalives.",
			Seconds(b.Survived), Seconds(longest))
	case best == longest:
		return "Every device may keep its setting."
	case best > 0:
		return fmt.Sprintf("Set the keepalive to %d seconds: %s.", int(best.Seconds()), settings)
	case b.Survived >= 2*time.Second:
		return fmt.Sprintf("Set the keepalive to %d seconds at most: %s.", int(b.Survived.Seconds()), settings)
	case b.Survived >= time.Second:
		return fmt.Sprintf("Set the keepalive to 1 second: %s.", settings)
	case b.Survived > 0:
		return fmt.Sprintf("A silence of %s survives, which is too short for a keepalive: measure longer ones (--steps), or have the network's owner lengthen the idle timeout.",
			Seconds(b.Survived))
	}
	return "No silence that was measured survives here: measure shorter ones (--steps), or have the network's owner lengthen the idle timeout."
}
