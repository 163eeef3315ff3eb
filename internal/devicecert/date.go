package devicecert

import (
	"strings"
	"time"
)

// takeTime reads a UTCTime or GeneralizedTime. ok is false if the element is neither. readable is false if a device
// cannot read it; t is then set if other clients can.
func (r *reader) takeTime(t *time.Time) (readable, ok bool) {
	var tag byte
	var content reader
	if !r.any(&tag, &content) || tag != tagUTCTime && tag != tagGeneralizedTime {
		return false, false
	}
	text := string(content)
	if *t, ok = deviceTime(tag, text); ok {
		return true, true
	}
	for _, layout := range []string{"0601021504Z0700", "060102150405Z0700", "200601021504Z0700", "20060102150405Z0700"} {
		if other, err := time.Parse(layout, text); err == nil {
			*t = other.UTC()
			break
		}
	}
	return false, true
}

// deviceTime parses a time as a device does: it requires seconds, rejects a time zone, and does not require the final
// Z.
func deviceTime(tag byte, text string) (time.Time, bool) {
	const layout = "20060102150405"
	if tag == tagUTCTime { // the years 1950 to 2049 (RFC 5280 §4.1.2.5.1)
		century := "20"
		if text >= "5" {
			century = "19"
		}
		text = century + text
	}
	text = strings.TrimSuffix(text, "Z")
	t, err := time.Parse(layout, text)
	if err != nil || len(text) != len(layout) { // time.Parse takes fractions of a second
		return time.Time{}, false
	}
	return t, true
}
