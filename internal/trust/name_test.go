package trust

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
)

func TestParseName(t *testing.T) {
	const cn, o, c = "2.5.4.3", "2.5.4.10", "2.5.4.6"
	tests := []struct {
		in    string
		attrs [][2]string // one RDN each
	}{
		{"C=GB, ST=Cambridgeshire, CN=ARM Bootstrap CA", [][2]string{{c, "GB"}, {"2.5.4.8", "Cambridgeshire"}, {cn, "ARM Bootstrap CA"}}},
		{"c=GB,cn=x", [][2]string{{c, "GB"}, {cn, "x"}}},
		{" CN = spaced out  , O = b ", [][2]string{{cn, "spaced out"}, {o, "b"}}},
		{`O=Example\, Inc., CN=a\+b\=c`, [][2]string{{o, "Example, Inc."}, {cn, "a+b=c"}}},
		{`O="Example, Inc." , CN=x`, [][2]string{{o, "Example, Inc."}, {cn, "x"}}},
		{`CN=\ lead and trail\ `, [][2]string{{cn, " lead and trail "}}},
		{`CN=Lu\C4\8Di\C4\87`, [][2]string{{cn, "Lučić"}}},
		{"CN=a=b", [][2]string{{cn, "a=b"}}},
		{"1.2.3.4=x", [][2]string{{"1.2.3.4", "x"}}},
		{"CN=#0c026162", [][2]string{{cn, "ab"}}},
		{"emailAddress=a@b.example, DC=example, serialNumber=7, S=Kent", [][2]string{
			{"1.2.840.113549.1.9.1", "a@b.example"}, {"0.9.2342.19200300.100.1.25", "example"}, {"2.5.4.5", "7"}, {"2.5.4.8", "Kent"}}},
	}
	for _, tt := range tests {
		got, err := ParseName(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		var want Name
		for _, a := range tt.attrs {
			want = append(want, RDN{{Type: a[0], Value: a[1]}})
		}
		if got.full() != want.full() {
			t.Errorf("%s: %s, want %s", tt.in, got, want)
		}
	}
	multi := must[Name](t)(ParseName("O=a + CN=b, C=GB"))
	if len(multi) != 2 || len(multi[0]) != 2 {
		t.Errorf("multi-valued RDN: %v", multi)
	}
	if !multi.Equal(must[Name](t)(ParseName("C=GB, CN=b+O=a"))) {
		t.Error("order inside a multi-valued RDN counts")
	}
	if multi.Equal(must[Name](t)(ParseName("C=GB, CN=b, O=a"))) {
		t.Error("a multi-valued RDN equals two RDNs")
	}
}

func TestParseNameErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "the name is empty",
		"  ":                              "the name is empty",
		"ARM Bootstrap CA":                `"ARM Bootstrap CA" is not of the form TYPE=value`,
		"C=GB, ARM Ltd, CN=x":             `"ARM Ltd" is not of the form TYPE=value`,
		"C=GB,":                           `"" is not of the form TYPE=value`,
		"X=1":                             `"X" is not a known attribute type; known are C, ST, L, O, OU, CN, DC, UID, emailAddress, serialNumber and dotted object identifiers`,
		"CN=":                             "value of CN: empty",
		"/C=GB/CN=x":                      `write the name with commas ("C=GB, O=ARM Ltd"), not with slashes`,
		`CN=a\`:                           "value of CN: a backslash needs a special character or two hexadecimal digits after it",
		`CN=\ff`:                          "value of CN: not valid UTF-8",
		`CN="a`:                           "value of CN: the quote is not closed",
		`CN="a"b`:                         "value of CN: text after the closing quote",
		"CN=a;O=b":                        `value of CN: ';' must be written as \;`,
		"CN=#zz":                          "value of CN: hexadecimal: encoding/hex: invalid byte: U+007A 'z'",
		"CN=#0101ff":                      "value of CN: decode: not a string",
		"CN=\xff":                         "the name is not valid UTF-8",
		"CN=" + strings.Repeat("x", 5000): "the name has 5003 bytes, the limit is 4096",
	} {
		if _, err := ParseName(in); err == nil || err.Error() != want {
			t.Errorf("%.40q: %v, want %s", in, err, want)
		}
	}
}

// readIssuer reads a name from the DER of a certificate that goes no further.
func readIssuer(t *testing.T, der []byte) *devicecert.Certificate {
	t.Helper()
	type tbs struct {
		Version   int `asn1:"explicit,tag:0"`
		Serial    int
		Algorithm pkix.AlgorithmIdentifier
		Issuer    asn1.RawValue
	}
	out, err := asn1.Marshal(struct{ TBS tbs }{tbs{2, 1, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 3}}, asn1.RawValue{FullBytes: der}}})
	if err != nil {
		t.Fatal(err)
	}
	return devicecert.Parse(out)
}

func readName(t *testing.T, der []byte) Name {
	t.Helper()
	c := readIssuer(t, der)
	return nameOf(c.Issuer, c.RawIssuer)
}

func TestNameOf(t *testing.T) {
	const bitString = asn1.TagBitString
	tests := []struct {
		name string
		attr pkix.AttributeTypeAndValue
		want string
	}{
		{"PrintableString", coded(oidCN, asn1.TagPrintableString, "Ab"), "CN=Ab"},
		{"PrintableString with an underscore", coded(oidCN, asn1.TagPrintableString, "a_b@c"), "CN=a_b@c"},
		{"UTF8String", coded(oidCN, asn1.TagUTF8String, "Lučić"), "CN=Lučić"},
		{"UTF8String that is not UTF-8", coded(oidCN, asn1.TagUTF8String, "a\xff"), "CN=a\ufffd"},
		{"IA5String", coded(oidCN, asn1.TagIA5String, "Ab"), "CN=Ab"},
		{"NumericString", coded(oidCN, asn1.TagNumericString, "12"), "CN=12"},
		{"T61String", coded(oidCN, asn1.TagT61String, "\xe4"), "CN=ä"},
		{"BMPString", coded(oidCN, asn1.TagBMPString, "\x00A\x00b"), "CN=Ab"},
		{"BMPString of three bytes", coded(oidCN, asn1.TagBMPString, "\x00A\x00"), "CN=A"},
		{"UniversalString", coded(oidCN, 28, "\x00\x00\x00A\x00\x01\xf6\x00"), "CN=A\U0001f600"},
		{"BIT STRING", coded(oidCN, bitString, "\x00\x41"), `CN=\#0041`},
		{"control characters", coded(oidCN, asn1.TagUTF8String, "a\x1bb"), `CN=a\1bb`},
		{"an unknown attribute type", coded(asn1.ObjectIdentifier{1, 2, 3, 4}, asn1.TagUTF8String, "x"), "1.2.3.4=x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := readName(t, der(t, rdn(test.attr))).String(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	if got := readName(t, der(t, rdn(attr(oidO, "a"), attr(oidC, "GB")), rdn(attr(oidCN, "b")))).String(); got != "O=a+C=GB, CN=b" {
		t.Errorf("a multi-valued RDN: %q", got)
	}
	if got := nameOf(nil, []byte{0x30, 0x05, 1}).String(); !strings.HasPrefix(got, "unreadable=") {
		t.Errorf("broken name shown as %q", got)
	}
	if got := nameOf(nil, der(t)).String(); got != "" {
		t.Errorf("empty name shown as %q", got)
	}
}

// TestNameAsDevicesCompareIt compares a configured name with those of certificates.
func TestNameAsDevicesCompareIt(t *testing.T) {
	const mail = "1.2.840.113549.1.9.1"
	mailOID := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	tests := []struct {
		name, configured string
		der              []byte
		want             bool
	}{
		{"the same", armName, named(t, "ARM Bootstrap CA"), true},
		{"another case", "c=gb, o=arm ltd, cn=arm bootstrap ca", named(t, "ARM Bootstrap CA"), true},
		{"another order", "CN=ARM Bootstrap CA, O=ARM Ltd, C=GB", named(t, "ARM Bootstrap CA"), false},
		{"two blanks", "C=GB, O=ARM  Ltd, CN=ARM Bootstrap CA", named(t, "ARM Bootstrap CA"), false},
		{"an e-mail address", "emailAddress=a@b.example", der(t, rdn(coded(mailOID, asn1.TagIA5String, "a@b.example"))), true},
		{"an e-mail address by its object identifier", mail + "=a@b.example", der(t, rdn(coded(mailOID, asn1.TagIA5String, "a@b.example"))), true},
		{"a multi-valued RDN", "O=a+C=GB", der(t, rdn(attr(oidC, "GB"), attr(oidO, "a"))), true},
		{"two RDNs for a multi-valued one", "C=GB, O=a", der(t, rdn(attr(oidC, "GB"), attr(oidO, "a"))), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := must[Name](t)(ParseName(test.configured)).encode().Matches(readIssuer(t, test.der).Issuer); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
}

// FuzzParseName checks that a parsed name can be written and parsed again, and that both are equal.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{armName, `O="a, b"+CN=\C4\8D\ , 1.2.3=#0c026162`, `CN=\00`, "CN=a,,", "=", `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseName(s)
		if err != nil {
			return
		}
		if shown := name.String(); !utf8.ValidString(shown) || len(shown) > 200 {
			t.Fatalf("unsafe text %q", shown)
		}
		full := name.full()
		if len(full) > maxName {
			return
		}
		again, err := ParseName(full)
		if err != nil {
			t.Fatalf("%q was written as %q: %v", s, full, err)
		}
		if !again.Equal(name) || again.full() != full {
			t.Fatalf("%q was written as %q, read as %q", s, full, again.full())
		}
	})
}
