package trust

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Name is a distinguished name (X.501): relative distinguished names (RDNs), in the order of the certificate, the most
// general first.
type Name []RDN

// RDN is one step of a name. Nearly always it is a single attribute; a multi-valued one holds several.
type RDN []Attribute

// Attribute is one type and value of an RDN.
type Attribute struct {
	Type  string // object identifier, dotted
	Value string // decoded: whether it was a PrintableString or a UTF8String is forgotten
}

// shortNames maps the attribute types of RFC 4514 §3 and those that certificates use beside them.
var shortNames = map[string]string{
	"2.5.4.3":                    "CN",
	"2.5.4.4":                    "SN",
	"2.5.4.5":                    "serialNumber",
	"2.5.4.6":                    "C",
	"2.5.4.7":                    "L",
	"2.5.4.8":                    "ST",
	"2.5.4.9":                    "STREET",
	"2.5.4.10":                   "O",
	"2.5.4.11":                   "OU",
	"2.5.4.12":                   "title",
	"2.5.4.17":                   "postalCode",
	"2.5.4.42":                   "GN",
	"2.5.4.97":                   "organizationIdentifier",
	"0.9.2342.19200300.100.1.1":  "UID",
	"0.9.2342.19200300.100.1.25": "DC",
	"1.2.840.113549.1.9.1":       "emailAddress",
}

// typeOf gives the object identifier of a short name, written in any case, or of "S", as some programs write ST.
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

// parseDER reads a name as it stands in a certificate.
func parseDER(der []byte) (Name, error) {
	var seq pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &seq); err != nil {
		return nil, fmt.Errorf("parse name: %w", err)
	} else if len(rest) > 0 {
		return nil, errors.New("parse name: data after its end")
	}
	name := make(Name, 0, len(seq))
	for _, set := range seq {
		rdn := make(RDN, 0, len(set))
		for _, a := range set {
			value, ok := a.Value.(string)
			if !ok {
				value = fmt.Sprint(a.Value)
			}
			rdn = append(rdn, Attribute{Type: a.Type.String(), Value: value})
		}
		name = append(name, rdn)
	}
	return name, nil
}

// Equal compares RDN by RDN, in whatever order they stand, as RFC 5280 §7.1 asks: case and repeated blanks do not
// count, and neither does the kind of string.
func (n Name) Equal(other Name) bool { return slices.Equal(n.canonical(), other.canonical()) }

// canonical gives one text for each RDN, sorted. Lengths stand before values, so that no value can imitate another RDN.
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
	var b strings.Builder
	for i, rdn := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		for k, a := range rdn {
			if k > 0 {
				b.WriteString("+")
			}
			short, ok := shortNames[a.Type]
			if !ok {
				short = a.Type
			}
			b.WriteString(short)
			b.WriteByte('=')
			writeEscaped(&b, a.Value)
		}
	}
	return b.String()
}

func writeEscaped(b *strings.Builder, value string) {
	for i := range len(value) {
		switch c := value[i]; {
		case strings.IndexByte(`,+"\<>;=`, c) >= 0,
			c == '#' && i == 0,
			c == ' ' && (i == 0 || i == len(value)-1):
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(b, `\%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
}

// maxName bounds the text that [ParseName] takes; real names have some hundred bytes.
const maxName = 4096

// ParseName reads a name as people write it: "C=GB, ST=Cambridgeshire, O=ARM Ltd, CN=ARM Bootstrap CA", with the
// escapes of RFC 4514 §2.4, "+" inside a multi-valued RDN, quoted values, and dotted object identifiers for types that
// have no short name.
func ParseName(s string) (Name, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return nil, errors.New("the name is empty")
	case len(s) > maxName:
		return nil, fmt.Errorf("the name has %d bytes, at most %d are taken", len(s), maxName)
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

// nameParser eats a name from the left.
type nameParser struct{ rest string }

// attribute takes one type=value, up to the separator that follows or the end.
func (p *nameParser) attribute() (Attribute, error) {
	key, rest, found := strings.Cut(p.rest, "=")
	key = strings.TrimSpace(key)
	if !found || strings.ContainsAny(key, ",+") {
		return Attribute{}, fmt.Errorf("%q is not of the form TYPE=value", strings.TrimSpace(firstOf(p.rest)))
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

func firstOf(s string) string {
	first, _, _ := strings.Cut(s, ",")
	return first
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

// value takes a value; what is left is empty or begins with its separator.
func (p *nameParser) value() (string, error) {
	quoted := strings.HasPrefix(p.rest, `"`)
	if strings.HasPrefix(p.rest, "#") {
		return p.hexValue()
	}
	if quoted {
		p.rest = p.rest[1:]
	}
	var b strings.Builder
	keep := 0 // bytes that are not trailing blanks: those escaped or quoted, or before another character
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

// checked refuses values whose hexadecimal escapes do not make UTF-8 (RFC 4514 §3).
func checked(value string) (string, error) {
	if !utf8.ValidString(value) {
		return "", errors.New("not valid UTF-8")
	}
	return value, nil
}

// escape takes a backslash and what it stands for: a special character, or one byte as two hexadecimal digits.
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

// hexValue takes a value written as # and the hexadecimal form of its BER encoding (RFC 4514 §2.4).
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
