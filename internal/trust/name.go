package trust

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Name is a distinguished name (X.501): relative distinguished names (RDNs), in the order of the certificate, the most
// general first.
type Name []RDN

// RDN is a relative distinguished name. It nearly always has one attribute; a multi-valued one has several.
type RDN []Attribute

// Attribute is one type and value of an RDN.
type Attribute struct {
	Type  string // object identifier, dotted
	Value string // decoded, whatever string type it had
}

// shortNames maps the attribute types of RFC 4514 §3 and others that certificates use.
var shortNames = map[string]string{
	"2.5.4.3":                   "CN",
	"2.5.4.4":                   "SN",
	"2.5.4.5":                   "serialNumber",
	"2.5.4.6":                   "C",
	"2.5.4.7":                   "L",
	"2.5.4.8":                   "ST",
	"2.5.4.9":                   "STREET",
	"2.5.4.10":                  "O",
	"2.5.4.11":                  "OU",
	"2.5.4.12":                  "title",
	"2.5.4.17":                  "postalCode",
	"2.5.4.42":                  "GN",
	"2.5.4.97":                  "organizationIdentifier",
	"0.9.2342.19200300.100.1.1": "UID",
	domainComponent:             "DC",
	emailAddress:                "emailAddress",
}

const (
	domainComponent = "0.9.2342.19200300.100.1.25"
	emailAddress    = "1.2.840.113549.1.9.1"
)

// typeOf returns the object identifier of a short name in any case. Some programs write S for ST.
func typeOf(short string) (string, bool) {
	if strings.EqualFold(short, "S") {
		short = "ST"
	}
	for oid, name := range shortNames {
		if strings.EqualFold(name, short) {
			return oid, true
		}
	}
	return "", false
}

// nameOf converts a certificate's name. One of which nothing could be read is shown by a hash of its bytes, and
// equals no name that can be configured.
func nameOf(attributes devicecert.Name, raw []byte) Name {
	const emptySequence = 2
	if len(attributes) == 0 && len(raw) != emptySequence {
		sum := sha256.Sum256(raw)
		return Name{{{Type: "unreadable", Value: hex.EncodeToString(sum[:8])}}}
	}
	const maxType = 32 // bytes of an attribute type that are shown
	var name Name
	joined := false
	for _, a := range attributes {
		one := Attribute{Type: devicecert.IdentifierText(a.Type, maxType), Value: decode(a.Tag, a.Value)}
		if joined {
			name[len(name)-1] = append(name[len(name)-1], one)
		} else {
			name = append(name, RDN{one})
		}
		joined = a.Joined
	}
	return name
}

// decode returns the text of a value of some string type. A value of no string type is shown in hexadecimal.
func decode(tag byte, value []byte) string {
	switch tag {
	case devicecert.BMPString:
		units := make([]uint16, 0, len(value)/2)
		for ; len(value) >= 2; value = value[2:] {
			units = append(units, binary.BigEndian.Uint16(value))
		}
		return string(utf16.Decode(units))
	case devicecert.UniversalString:
		var out []rune
		for ; len(value) >= 4; value = value[4:] {
			out = append(out, rune(binary.BigEndian.Uint32(value)))
		}
		return string(out)
	case devicecert.T61String: // in practice ISO 8859-1
		out := make([]rune, len(value))
		for i, b := range value {
			out[i] = rune(b)
		}
		return string(out)
	case devicecert.BitString:
		return "#" + hex.EncodeToString(value)
	}
	return string(value)
}

// encode returns the name as a device compares it with a certificate's. The string types of a name in a configuration
// are not known: e-mail addresses and domain components are IA5String in practice, and between the types that the
// other attributes have a device does not distinguish.
func (n Name) encode() devicecert.Name {
	var out devicecert.Name
	for _, rdn := range n {
		for i, a := range rdn {
			oid, err := x509.ParseOID(a.Type)
			if err != nil {
				continue // ParseName takes no such type
			}
			id, err := oid.MarshalBinary()
			if err != nil {
				continue
			}
			tag := byte(devicecert.UTF8String)
			if a.Type == emailAddress || a.Type == domainComponent {
				tag = devicecert.IA5String
			}
			out = append(out, devicecert.Attribute{Type: id, Tag: tag, Value: []byte(a.Value), Joined: i < len(rdn)-1})
		}
	}
	return out
}

// Equal compares two names as RFC 5280 §7.1 asks: case, repeated blanks and the kind of string do not count. The
// order of the RDNs does not count either. Devices are stricter, see [devicecert.Name.Matches].
func (n Name) Equal(other Name) bool { return slices.Equal(n.canonical(), other.canonical()) }

// canonical returns one text for each RDN, sorted. The length of each value precedes it, so that the text is
// unambiguous.
func (n Name) canonical() []string {
	out := make([]string, 0, len(n))
	for _, rdn := range n {
		attributes := make([]string, 0, len(rdn))
		for _, a := range rdn {
			v := strings.ToLower(strings.Join(strings.Fields(a.Value), " "))
			attributes = append(attributes, a.Type+"="+strconv.Itoa(len(v))+":"+v)
		}
		slices.Sort(attributes)
		out = append(out, strings.Join(attributes, "+"))
	}
	slices.Sort(out)
	return out
}

// String writes the name with the escapes of RFC 4514 §2.4 in the certificate's own order, the most general RDN first
// ("C=GB, O=ARM Ltd, CN=…"): the order of configuration files and of OpenSSL. It is safe to show.
func (n Name) String() string { return measurement.Text(n.full()) }

// full is the whole name; [ParseName] reads it back.
func (n Name) full() string {
	rdns := make([]string, 0, len(n))
	for _, rdn := range n {
		attributes := make([]string, 0, len(rdn))
		for _, a := range rdn {
			attributes = append(attributes, cmp.Or(shortNames[a.Type], a.Type)+"="+escaped(a.Value))
		}
		rdns = append(rdns, strings.Join(attributes, "+"))
	}
	return strings.Join(rdns, ", ")
}

func escaped(value string) string {
	var b strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case strings.IndexByte(`,+"\<>;=`, c) >= 0,
			c == '#' && i == 0,
			c == ' ' && (i == 0 || i == len(value)-1):
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// maxName is the most bytes that [ParseName] accepts. Names have some hundred bytes.
const maxName = 4096

// ParseName parses a name as people write it, in the order of the certificate: "C=GB, ST=Cambridgeshire, O=ARM Ltd,
// CN=ARM Bootstrap CA", with the escapes of RFC 4514 §2.4, "+" inside a multi-valued RDN, quoted values, and dotted
// object identifiers for types that have no short name.
func ParseName(s string) (Name, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return nil, errors.New("the name is empty")
	case len(s) > maxName:
		return nil, fmt.Errorf("the name has %d bytes, the limit is %d", len(s), maxName)
	case !utf8.ValidString(s):
		return nil, errors.New("the name is not valid UTF-8")
	case strings.HasPrefix(strings.TrimSpace(s), "/"):
		return nil, errors.New(`write the name with commas ("C=GB, O=ARM Ltd"), not with slashes`)
	}
	p := nameParser{rest: s}
	var name Name
	rdn := RDN{}
	for {
		a, err := p.attribute()
		if err != nil {
			return nil, err
		}
		rdn = append(rdn, a)
		if p.rest == "" {
			return append(name, rdn), nil
		}
		if p.rest[0] != '+' { // else a comma
			name, rdn = append(name, rdn), RDN{}
		}
		p.rest = p.rest[1:]
	}
}

// nameParser parses a name from the left.
type nameParser struct{ rest string }

// attribute parses one type=value, up to the separator that follows or the end.
func (p *nameParser) attribute() (Attribute, error) {
	key, rest, found := strings.Cut(p.rest, "=")
	key = strings.TrimSpace(key)
	if !found || strings.ContainsAny(key, ",+") {
		first, _, _ := strings.Cut(p.rest, ",")
		return Attribute{}, fmt.Errorf("%q is not of the form TYPE=value", strings.TrimSpace(first))
	}
	oid, known := typeOf(key)
	if !known {
		if !isOID(key) {
			return Attribute{}, fmt.Errorf("%q is not a known attribute type; known are C, ST, L, O, OU, CN, DC, UID, emailAddress, serialNumber and dotted object identifiers", key)
		}
		oid = key
	}
	p.rest = strings.TrimLeft(rest, " ")
	value, err := p.value()
	if err != nil {
		return Attribute{}, fmt.Errorf("value of %s: %w", key, err)
	}
	if value == "" {
		return Attribute{}, fmt.Errorf("value of %s: empty", key)
	}
	return Attribute{Type: oid, Value: value}, nil
}

func isOID(s string) bool {
	arcs := strings.Split(s, ".")
	for _, arc := range arcs {
		if n, err := strconv.ParseUint(arc, 10, 31); err != nil || strconv.FormatUint(n, 10) != arc {
			return false
		}
	}
	return len(arcs) >= 2
}

// value parses a value; the rest is then empty or begins with a separator.
func (p *nameParser) value() (string, error) {
	quoted := strings.HasPrefix(p.rest, `"`)
	if strings.HasPrefix(p.rest, "#") {
		return p.hexValue()
	}
	if quoted {
		p.rest = p.rest[1:]
	}
	var b strings.Builder
	keep := 0 // bytes without trailing blanks, except escaped or quoted ones
	for p.rest != "" {
		c := p.rest[0]
		switch {
		case c == '\\':
			literal, err := p.escape()
			if err != nil {
				return "", err
			}
			b.WriteByte(literal)
			keep = b.Len()
			continue
		case quoted && c == '"':
			p.rest = strings.TrimLeft(p.rest[1:], " ")
			if p.rest != "" && p.rest[0] != ',' && p.rest[0] != '+' {
				return "", errors.New("text after the closing quote")
			}
			return checked(b.String())
		case !quoted && (c == ',' || c == '+'):
			return checked(b.String()[:keep])
		case !quoted && strings.IndexByte(`";<>`, c) >= 0:
			return "", fmt.Errorf(`%q must be written as \%c`, c, c)
		}
		b.WriteByte(c)
		if c != ' ' {
			keep = b.Len()
		}
		p.rest = p.rest[1:]
	}
	if quoted {
		return "", errors.New("the quote is not closed")
	}
	return checked(b.String()[:keep])
}

// checked rejects a value whose hexadecimal escapes are not UTF-8 (RFC 4514 §3).
func checked(value string) (string, error) {
	if !utf8.ValidString(value) {
		return "", errors.New("not valid UTF-8")
	}
	return value, nil
}

// escape parses a backslash with the special character, or the two hexadecimal digits of a byte, that follow it.
func (p *nameParser) escape() (byte, error) {
	if len(p.rest) >= 2 && strings.IndexByte(` "#+,;<=>\`, p.rest[1]) >= 0 {
		c := p.rest[1]
		p.rest = p.rest[2:]
		return c, nil
	}
	if len(p.rest) >= 3 {
		if octet, err := hex.DecodeString(p.rest[1:3]); err == nil {
			p.rest = p.rest[3:]
			return octet[0], nil
		}
	}
	return 0, errors.New("a backslash needs a special character or two hexadecimal digits after it")
}

// hexValue parses a value written as # and its BER encoding in hexadecimal (RFC 4514 §2.4).
func (p *nameParser) hexValue() (string, error) {
	end := strings.IndexAny(p.rest, ",+")
	if end < 0 {
		end = len(p.rest)
	}
	der, err := hex.DecodeString(strings.TrimSpace(p.rest[1:end]))
	if err != nil {
		return "", fmt.Errorf("hexadecimal: %w", err)
	}
	var value any
	if rest, err := asn1.Unmarshal(der, &value); err != nil {
		return "", fmt.Errorf("decode: %w", err)
	} else if len(rest) > 0 {
		return "", errors.New("decode: data after its end")
	}
	text, ok := value.(string)
	if !ok {
		return "", errors.New("decode: not a string")
	}
	p.rest = p.rest[end:]
	return checked(text)
}
