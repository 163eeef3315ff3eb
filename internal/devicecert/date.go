package devicecert

import "time"

// takeTime reads a UTCTime or GeneralizedTime. ok is false if the element is neither. readable is false if a device
// cannot read it: a device requires seconds, rejects a time zone, and does not require the final Z.
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

func deviceTime(tag byte, text string) (time.Time, bool) {
	yearDigits := 4
	if tag == tagUTCTime {
		yearDigits = 2
	}
	const rest = len("0102150405")
	if len(text) == yearDigits+rest+1 && text[len(text)-1] == 'Z' {
		text = text[:len(text)-1]
	}
	if len(text) != yearDigits+rest {
		return time.Time{}, false
	}
	year, ok := decimal(text[:yearDigits])
	if !ok {
		return time.Time{}, false
	}
	if tag == tagUTCTime {
		year += 1900
		if year < 1950 {
			year += 100
		}
	}
	var fields [5]int // month, day, hour, minute, second
	for i := range fields {
		if fields[i], ok = decimal(text[yearDigits+2*i:][:2]); !ok {
			return time.Time{}, false
		}
	}
	t := time.Date(year, time.Month(fields[0]), fields[1], fields[2], fields[3], fields[4], 0, time.UTC)
	valid := t.Year() == year && int(t.Month()) == fields[0] && t.Day() == fields[1] && t.Hour() == fields[2] &&
		t.Minute() == fields[3] && t.Second() == fields[4] // time.Date normalises what is out of range
	return t, valid
}

func decimal(digits string) (n int, ok bool) {
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
