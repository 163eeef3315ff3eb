package devicecert

import (
	"bytes"
	"slices"
)

// Name is an issuer or a subject (RFC 5280 §4.1.2.4): its attributes in order.
type Name []Attribute

// Attribute is one attribute of a [Name].
type Attribute struct {
	Type  []byte // the content of the object identifier
	Tag   byte   // the ASN.1 tag of the value; the string types are the constants of this package
	Value []byte // as encoded
	// Joined reports that the next attribute belongs to the same relative distinguished name.
	Joined bool
}

// The string types of a name's values.
const (
	UTF8String      = tagUTF8String
	PrintableString = tagPrintableString
	IA5String       = tagIA5String
	T61String       = tagT61String
	BMPString       = tagBMPString
	UniversalString = tagUniversalString
	BitString       = tagBitString
)

// parseName reads the content of a name. readable is false if a device cannot read it: its structure is broken, and
// name is the part before that, or a value is of another type than the constants above.
func parseName(content reader) (name Name, readable bool) {
	readable = true
	for len(content) > 0 {
		var set reader
		if !content.take(tagSet, &set) || len(set) == 0 {
			return name, false
		}
		for len(set) > 0 {
			var pair, id, value reader
			var tag byte
			if !set.take(tagSequence, &pair) || !pair.take(tagObjectIdentifier, &id) || !pair.any(&tag, &value) || len(pair) > 0 {
				return name, false
			}
			switch tag {
			case UTF8String, PrintableString, IA5String, T61String, BMPString, UniversalString, BitString:
			default:
				readable = false
			}
			name = append(name, Attribute{Type: id, Tag: tag, Value: value, Joined: len(set) > 0})
		}
	}
	return name, readable
}

// Matches reports whether a device takes two names for the same: the same attributes in the same order, with values of
// the same type and octets. Only between UTF8String and PrintableString may the type differ, and the case of ASCII
// letters. Nothing else is normalised.
func (n Name) Matches(other Name) bool {
	return slices.EqualFunc(n, other, func(a, b Attribute) bool {
		return bytes.Equal(a.Type, b.Type) && a.Joined == b.Joined && a.sameValue(&b)
	})
}

func (a *Attribute) sameValue(b *Attribute) bool {
	folds := func(tag byte) bool { return tag == UTF8String || tag == PrintableString }
	return a.Tag == b.Tag && bytes.Equal(a.Value, b.Value) ||
		folds(a.Tag) && folds(b.Tag) && slices.EqualFunc(a.Value, b.Value, func(x, y byte) bool { return foldCase(x) == foldCase(y) })
}

func foldCase(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
