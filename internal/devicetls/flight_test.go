package devicetls

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestFlight(t *testing.T) {
	for name, test := range map[string]struct {
		server testServer
		unfit  []measurement.UnfitKind // in order
		proved bool
	}{
		"what a device expects: fit":                      {proved: true},
		"no CertificateRequest: fit":                      {server: testServer{noRequest: true}, proved: true},
		"ServerKeyExchange signed with SHA-224: fit":      {server: testServer{scheme: 0x0303}, proved: true},
		"ServerKeyExchange signed with SHA-1: unfit":      {server: testServer{scheme: 0x0203}, unfit: []measurement.UnfitKind{measurement.UnfitSignatureScheme}, proved: true},
		"ServerKeyExchange signed with SHA-384: unfit":    {server: testServer{scheme: 0x0503}, unfit: []measurement.UnfitKind{measurement.UnfitSignatureScheme}, proved: true},
		"unknown signature scheme: unfit, not checked":    {server: testServer{scheme: 0x0707}, unfit: []measurement.UnfitKind{measurement.UnfitSignatureScheme}},
		"signature of another key: not proved":            {server: testServer{wrongKey: true}},
		"leaf second in the list: unfit":                  {server: testServer{second: signedWith(x509.ECDSAWithSHA256), secondKey: ecdsaKey(t, elliptic.P256()), leafSecond: true}, unfit: []measurement.UnfitKind{measurement.UnfitLeafNotFirst}, proved: true},
		"leaf that a device skips: proved":                {server: testServer{leaf: signedWith(x509.ECDSAWithSHA384), second: signedWith(x509.ECDSAWithSHA256), secondKey: ecdsaKey(t, elliptic.P256())}, proved: true},
		"RSA leaf: unfit":                                 {server: testServer{signer: rsaKey(t), scheme: 0x0401}, unfit: []measurement.UnfitKind{measurement.UnfitSignatureScheme}, proved: true},
		"RSA leaf, scheme of ECDSA: not checked":          {server: testServer{signer: rsaKey(t), scheme: 0x0401, announcedScheme: 0x0403}},
		"RSA leaf with PSS: unfit":                        {server: testServer{signer: rsaKey(t), scheme: 0x0804}, unfit: []measurement.UnfitKind{measurement.UnfitSignatureScheme}, proved: true},
		"leaf on secp384r1: proved":                       {server: testServer{signer: ecdsaKey(t, elliptic.P384())}, proved: true},
		"key exchange on secp384r1: unfit":                {server: testServer{curve: 24}, unfit: []measurement.UnfitKind{measurement.UnfitCurve}, proved: true},
		"leaf signed with SHA-224: fit":                   {server: testServer{leafDER: signedWithSHA224}, proved: true},
		"second certificate signed with SHA-384: fit":     {server: testServer{second: signedWith(x509.ECDSAWithSHA384)}, proved: true},
		"certificate of more than 1024 bytes: fit":        {server: testServer{extra: 1000}, proved: true},
		"message too long: unfit":                         {server: testServer{extra: 4000}, unfit: []measurement.UnfitKind{measurement.UnfitMessageTooLong}, proved: true},
		"cipher suite not offered: unfit":                 {server: testServer{suite: 0xc02b}, unfit: []measurement.UnfitKind{measurement.UnfitCipher}, proved: true},
		"cipher suite without ECDHE: unfit, no signature": {server: testServer{suite: 0xc0a0, noExchange: true}, unfit: []measurement.UnfitKind{measurement.UnfitCipher, measurement.UnfitKeyExchange}},
		"TLS 1.1: unfit, not checked":                     {server: testServer{version: 0x0302}, unfit: []measurement.UnfitKind{measurement.UnfitVersion}},
		"no extended_master_secret: fit":                  {server: testServer{extensions: withoutEMS}, proved: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{1, 2, 3})
			step, err := c.Take(test.server.flight(t, c.random))
			if err != nil || step != FlightComplete {
				t.Fatalf("step %d, error %v", step, err)
			}
			f := c.Flight()
			if got := kindsOf(f.Unfit); !slices.Equal(got, test.unfit) {
				t.Errorf("unfit %q, want %q", got, test.unfit)
			}
			if checkable := test.proved || test.server.wrongKey; f.SignatureChecked != checkable {
				t.Errorf("signature checked: %v, want %v", f.SignatureChecked, checkable)
			}
			if f.KeyProved != test.proved {
				t.Errorf("key proved: %v, want %v", f.KeyProved, test.proved)
			}
			if seen := f.Seen(); seen.FlightBytes != c.processed || seen.SignatureChecked != f.SignatureChecked || seen.CertificateRequested == test.server.noRequest || len(seen.RawChain) == 0 {
				t.Errorf("seen %+v of %d bytes", seen, c.processed)
			} else if _, err := x509.ParseCertificate(seen.RawChain[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

// kindsOf returns the kinds of reasons.
func kindsOf(reasons []measurement.UnfitReason) (kinds []measurement.UnfitKind) {
	for _, r := range reasons {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}

func signedWith(algorithm x509.SignatureAlgorithm) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.SignatureAlgorithm = algorithm }
}

// signedWithSHA224 replaces the signature algorithm by one that package x509 does not support. The signature becomes
// invalid, which these tests do not check.
func signedWithSHA224(der []byte) []byte {
	id := []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3}
	return bytes.ReplaceAll(der, append(id, 2), append(id, 1))
}

func extension(critical bool, id ...int) func(value ...byte) pkix.Extension {
	return func(value ...byte) pkix.Extension { return pkix.Extension{Id: id, Critical: critical, Value: value} }
}

// with sets ExtraExtensions, which replace those that the template implies.
func with(extensions ...pkix.Extension) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions = extensions }
}

// TestFlightRecords cuts one flight into records in many ways, all of which are valid TLS.
func TestFlightRecords(t *testing.T) {
	for name, test := range map[string]struct {
		extra int
		cut   func(m [][]byte) [][]byte // messages to the contents of records
		unfit []measurement.UnfitKind
	}{
		"one message per record: fit":                {cut: func(m [][]byte) [][]byte { return m }},
		"all messages in one record: fit":            {cut: func(m [][]byte) [][]byte { return [][]byte{bytes.Join(m, nil)} }},
		"two messages in one record: fit":            {cut: func(m [][]byte) [][]byte { return append([][]byte{bytes.Join(m[:2], nil)}, m[2:]...) }},
		"records of 100 bytes: unfit":                {cut: func(m [][]byte) [][]byte { return chunks(bytes.Join(m, nil), 100) }, unfit: []measurement.UnfitKind{measurement.UnfitSplitMessage}},
		"header in a record without its body: unfit": {cut: func(m [][]byte) [][]byte { return slices.Concat(m[:2], [][]byte{m[2][:4], m[2][4:]}, m[3:]) }, unfit: []measurement.UnfitKind{measurement.UnfitSplitMessage}},
		"header split: unfit":                        {cut: func(m [][]byte) [][]byte { return slices.Concat(m[:4], [][]byte{m[4][:1], m[4][1:]}) }, unfit: []measurement.UnfitKind{measurement.UnfitSplitMessage}},
		"last byte in the next record: unfit": {cut: func(m [][]byte) [][]byte {
			return slices.Concat(m[:1], [][]byte{m[1][:len(m[1])-1], append(m[1][len(m[1])-1:], m[2]...)}, m[3:])
		}, unfit: []measurement.UnfitKind{measurement.UnfitSplitMessage}},
		"record longer than a device takes: unfit":           {extra: 3700, cut: func(m [][]byte) [][]byte { return [][]byte{bytes.Join(m, nil)} }, unfit: []measurement.UnfitKind{measurement.UnfitRecordTooLong}},
		"same messages in separate records: fit":             {extra: 3700, cut: func(m [][]byte) [][]byte { return m }},
		"message too long, in one record with others: unfit": {extra: 4000, cut: func(m [][]byte) [][]byte { return [][]byte{bytes.Join(m, nil)} }, unfit: []measurement.UnfitKind{measurement.UnfitRecordTooLong, measurement.UnfitMessageTooLong}},
		"message too long and split: unfit":                  {extra: 4000, cut: func(m [][]byte) [][]byte { return chunks(bytes.Join(m, nil), 4096) }, unfit: []measurement.UnfitKind{measurement.UnfitSplitMessage, measurement.UnfitMessageTooLong}},
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{1})
			var sent []byte
			for _, content := range test.cut((&testServer{extra: test.extra}).messages(t, c.random)) {
				sent = append(sent, record(RecordHandshake, content)...)
			}
			step, err := takeInPieces(c, sent, 7)
			f := c.Flight()
			if err != nil || step != FlightComplete || !f.KeyProved {
				t.Fatalf("step %d, error %v, key proved %v", step, err, f.KeyProved)
			}
			if got := kindsOf(f.Unfit); !slices.Equal(got, test.unfit) {
				t.Errorf("unfit %q, want %q", got, test.unfit)
			}
		})
	}
}

func chunks(b []byte, size int) [][]byte { return slices.Collect(slices.Chunk(b, size)) }

func TestFlightOfAnotherHandshake(t *testing.T) {
	c := New([32]byte{1})
	if _, err := c.Take(new(testServer).flight(t, [32]byte{2})); err != nil {
		t.Fatal(err)
	}
	if f := c.Flight(); !f.SignatureChecked || f.KeyProved {
		t.Errorf("flight of another handshake: checked %v, proved %v", f.SignatureChecked, f.KeyProved)
	}
	if _, err := c.Finish(nil); !errors.Is(err, ErrNotReady) {
		t.Errorf("finish of a replayed flight: %v, want ErrNotReady", err)
	}
}

func TestFlightOverDTLS(t *testing.T) {
	f := NewFlight([32]byte{1}, VersionDTLS)
	s := &testServer{version: VersionDTLS}
	want := 0
	for _, m := range s.messages(t, [32]byte{1}) {
		if err := f.Take(m[0], m[messageHeader:]); err != nil {
			t.Fatal(err)
		}
		want += len(m) + 8
	}
	if !f.Done || !f.KeyProved || len(f.Unfit) > 0 || f.Bytes != want {
		t.Errorf("flight %+v, want a good one of %d bytes", f, want)
	}
}

func TestClientMalformed(t *testing.T) {
	s := new(testServer)
	m := s.messages(t, [32]byte{})
	join := func(parts ...[]byte) []byte { return record(RecordHandshake, bytes.Join(parts, nil)) }
	edit := func(b []byte, at int, to ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], to)
		return b
	}
	for name, sent := range map[string][]byte{
		"Certificate first":                 join(m[1]),
		"ServerHello twice":                 join(m[0], m[0]),
		"messages out of order":             join(m[0], m[2], m[1]),
		"Finished in the clear":             join(m[0], message(t, TypeFinished, raw(make([]byte, 12)))),
		"ServerHelloDone with a body":       join(m[0], m[1], m[2], message(t, TypeServerHelloDone, raw([]byte{0}))),
		"ServerHello too short":             join(message(t, TypeServerHello, raw([]byte{3, 3}))),
		"compression selected":              join(edit(m[0], 4+2+32+1+2, 1)),
		"renegotiation_info not empty":      join(edit(m[0], len(m[0])-5, 1)),
		"point not on the curve":            join(m[0], m[1], edit(m[2], 4+4+10, 0xff, 0xff, 0xff)),
		"message length 16 MiB":             join(m[0], []byte{TypeCertificate, 0xff, 0xff, 0xff}),
		"more than MaxHandshake bytes":      bytes.Repeat(record(RecordHandshake, make([]byte, MaxPlaintext)), 5),
		"empty record":                      {RecordHandshake, 3, 3, 0, 0},
		"record of version 0x0304":          append([]byte{RecordHandshake, 3, 4}, join(m[0])[3:]...),
		"record too long":                   {RecordHandshake, 3, 3, 0x40, 1},
		"application data in the handshake": record(RecordApplicationData, []byte("hello")),
		"ChangeCipherSpec in the flight":    record(RecordChangeCipherSpec, []byte{1}),
		"alert of one byte":                 record(RecordAlert, []byte{2}),
		"more than maxWarnings warnings":    bytes.Repeat(record(RecordAlert, []byte{1, 112}), maxWarnings+1),
		"HTTP after the first record":       append(join(m[0]), "HTTP/1.1 200 OK\r\n"...),
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{})
			if _, err := c.Take(sent); !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v, want ErrMalformed", err)
			}
		})
	}
}

func TestFlightExtensions(t *testing.T) {
	extension := func(id uint16, data ...byte) []byte {
		return withExtension(withEMS, append([]byte{byte(id >> 8), byte(id), 0, byte(len(data))}, data...)...)
	}
	for name, test := range map[string]struct {
		extensions []byte
		unfit      []measurement.UnfitKind
		malformed  bool
	}{
		"unknown extension: ignored":                  {extensions: extension(0x7777, 1)},
		"server_name: ignored":                        {extensions: extension(0)},
		"supported_groups: ignored":                   {extensions: extension(10, 0, 2, 0, 23)},
		"ALPN: unfit":                                 {extensions: extension(16, 0, 2, 1, 'x'), unfit: []measurement.UnfitKind{measurement.UnfitExtension}},
		"max_fragment_length: unfit":                  {extensions: extension(1, 2), unfit: []measurement.UnfitKind{measurement.UnfitExtension}},
		"connection_id over TLS: unfit":               {extensions: extension(254, 1, 7), unfit: []measurement.UnfitKind{measurement.UnfitExtension}},
		"encrypt_then_mac: fit":                       {extensions: extension(22)},
		"encrypt_then_mac with data: malformed":       {extensions: extension(22, 0), malformed: true},
		"session_ticket with data: malformed":         {extensions: extension(35, 0), malformed: true},
		"uncompressed points: fit":                    {extensions: extension(11, 1, 0)},
		"compressed points: fit":                      {extensions: extension(11, 1, 1)},
		"other points: unfit":                         {extensions: extension(11, 1, 2), unfit: []measurement.UnfitKind{measurement.UnfitPointFormats}},
		"empty list of points: unfit":                 {extensions: extension(11, 0), unfit: []measurement.UnfitKind{measurement.UnfitPointFormats}},
		"points without list: malformed":              {extensions: extension(11), malformed: true},
		"points longer than extension: malformed":     {extensions: extension(11, 5, 0), malformed: true},
		"bytes after the points: malformed":           {extensions: extension(11, 1, 0, 0), malformed: true},
		"extended_master_secret with data: malformed": {extensions: extension(23, 0), malformed: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{1})
			_, err := c.Take((&testServer{extensions: test.extensions}).flight(t, c.random))
			if errors.Is(err, ErrMalformed) != test.malformed || !test.malformed && err != nil {
				t.Errorf("error %v, want malformed: %v", err, test.malformed)
			}
			if got := kindsOf(c.Flight().Unfit); !slices.Equal(got, test.unfit) {
				t.Errorf("unfit %q, want %q", got, test.unfit)
			}
		})
	}
}

func TestFlightConnectionID(t *testing.T) {
	for name, test := range map[string]struct {
		data      []byte
		id        []byte
		malformed bool
	}{
		"of 8 bytes":                               {data: []byte{8, 1, 2, 3, 4, 5, 6, 7, 8}, id: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		"of 32 bytes":                              {data: append([]byte{32}, make([]byte, 32)...), id: make([]byte, 32)},
		"empty":                                    {data: []byte{0}},
		"of 33 bytes: malformed":                   {data: append([]byte{33}, make([]byte, 33)...), malformed: true},
		"empty extension: malformed":               {malformed: true},
		"longer than the extension: malformed":     {data: []byte{2, 1}, malformed: true},
		"bytes after the connection id: malformed": {data: []byte{1, 1, 2}, malformed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &testServer{version: VersionDTLS, extensions: withExtension(withEMS, append([]byte{0, 254, 0, byte(len(test.data))}, test.data...)...)}
			f := NewFlight([32]byte{1}, VersionDTLS)
			f.OfferConnectionID()
			hello := s.messages(t, [32]byte{1})[0]
			err := f.Take(hello[0], hello[messageHeader:])
			if errors.Is(err, ErrMalformed) != test.malformed || !bytes.Equal(f.ConnectionID, test.id) || len(f.Unfit) > 0 {
				t.Errorf("error %v, connection id % x, unfit %v", err, f.ConnectionID, f.Unfit)
			}
		})
	}
}

// TestFlightPaddedSignature: a device accepts integers of a signature with leading zero bytes, package ecdsa does not.
func TestFlightPaddedSignature(t *testing.T) {
	padded := func(der []byte) []byte {
		s := cryptobyte.String(der)
		var inner, r, t cryptobyte.String
		_ = s.ReadASN1(&inner, asn1.SEQUENCE) && inner.ReadASN1(&r, asn1.INTEGER) && inner.ReadASN1(&t, asn1.INTEGER)
		var b cryptobyte.Builder
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, i := range [][]byte{r, t} {
				b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(append([]byte{0, 0}, i...)) })
			}
		})
		return b.BytesOrPanic()
	}
	for name, test := range map[string]struct {
		change func([]byte) []byte
		proved bool
	}{
		"padded integers: proved":               {padded, true},
		"padded integers, changed: not proved":  {func(b []byte) []byte { b = padded(b); b[len(b)-1] ^= 1; return b }, false},
		"bytes after the signature: not proved": {func(b []byte) []byte { return append(b, 0) }, false},
		"not DER: not proved":                   {func([]byte) []byte { return []byte{1, 2, 3} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{1})
			if _, err := c.Take((&testServer{signature: test.change}).flight(t, c.random)); err != nil {
				t.Fatal(err)
			}
			if f := c.Flight(); !f.SignatureChecked || f.KeyProved != test.proved {
				t.Errorf("checked %v, proved %v", f.SignatureChecked, f.KeyProved)
			}
		})
	}
}

func TestCertificateRequest(t *testing.T) {
	for name, test := range map[string]struct {
		body      []byte
		malformed bool
		refuses   bool // a device's signature
	}{
		"ECDSA with SHA-256: signature accepted": {body: []byte{1, 64, 0, 4, 5, 3, 4, 3, 0, 0}},
		"RSA only: signature refused":            {body: []byte{1, 64, 0, 4, 4, 1, 8, 4, 0, 0}, refuses: true},
		"no type, no algorithm":                  {body: []byte{0, 0, 0, 0, 0}, refuses: true},
		"odd length of algorithms":               {body: []byte{1, 64, 0, 1, 4, 0, 0}, refuses: true},
		"authorities that are not DER":           {body: []byte{1, 64, 0, 0, 0, 3, 1, 2, 3}, refuses: true},
		"empty: malformed":                       {body: []byte{}, malformed: true},
		"no authorities: malformed":              {body: []byte{1, 64, 0, 2, 4, 3}, malformed: true},
		"without algorithms: malformed":          {body: []byte{1, 64, 0, 0}, malformed: true},
		"bytes after the list: malformed":        {body: []byte{1, 64, 0, 2, 4, 3, 0, 0, 0}, malformed: true},
		"types too long: malformed":              {body: []byte{9, 64, 0, 2, 4, 3, 0, 0}, malformed: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{1})
			_, err := c.Take((&testServer{request: test.body}).flight(t, c.random))
			if errors.Is(err, ErrMalformed) != test.malformed || !test.malformed && err != nil {
				t.Errorf("error %v, want malformed: %v", err, test.malformed)
			}
			if c.Flight().RefusesSignature != test.refuses {
				t.Errorf("refuses the signature: %v, want %v", c.Flight().RefusesSignature, test.refuses)
			}
		})
	}
}

func TestCheckAlert(t *testing.T) {
	for name, test := range map[string]struct {
		body []byte
		want error
	}{
		"fatal":                     {[]byte{2, 40}, &AlertError{2, 40}},
		"close_notify":              {[]byte{1, 0}, &AlertError{1, 0}},
		"no_renegotiation":          {[]byte{1, 100}, &AlertError{1, 100}},
		"another warning: ignored":  {[]byte{1, 112}, nil},
		"an unknown level: ignored": {[]byte{7, 40}, nil},
		"one byte: malformed":       {[]byte{2}, ErrMalformed},
		"four bytes: malformed":     {[]byte{1, 112, 2, 40}, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckAlert(test.body)
			var alert, want *AlertError
			if errors.As(test.want, &want) {
				if !errors.As(err, &alert) || *alert != *want {
					t.Errorf("error %v, want %v", err, test.want)
				}
			} else if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestClientAlert(t *testing.T) {
	c := New([32]byte{})
	sent := append(record(RecordAlert, []byte{1, 112}), record(RecordAlert, []byte{2, 40})...)
	_, err := c.Take(sent)
	var alert *AlertError
	if !errors.As(err, &alert) || alert.Description != 40 || alert.CloseNotify() {
		t.Errorf("error %v, want the alert handshake_failure", err)
	}
}

func TestClientNotTLS(t *testing.T) {
	for name, test := range map[string]struct {
		sent, line string
		http, page bool
	}{
		"HTTP status line: HTTP":           {"HTTP/1.1 403 Forbidden\r\nServer: x\r\n", "HTTP/1.1 403 Forbidden", true, true},
		"lower case: page":                 {"http/1.1 403 forbidden\r\n", "http/1.1 403 forbidden", true, true},
		"redirect: page":                   {"HTTP/1.0 302 Found\r\n", "HTTP/1.0 302 Found", true, true},
		"proxy authentication: page":       {"HTTP/1.1 407 Proxy Authentication Required\r\n", "HTTP/1.1 407 Proxy Authentication Required", true, true},
		"legal reasons: page":              {"HTTP/1.1 451 x\r\n", "HTTP/1.1 451 x", true, true},
		"network authentication: page":     {"HTTP/1.1 511 x\r\n", "HTTP/1.1 511 x", true, true},
		"document with status: page":       {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK", true, true},
		"HTML without status: page":        {"\r\n<HTML><head></head>", "<HTML><head></head>", true, true},
		"HTML with a doctype: page":        {"<!DOCTYPE html>\n<html>", "<!DOCTYPE html>", true, true},
		"bad request: server without TLS":  {"HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400 Bad Request", true, false},
		"unavailable: server without TLS":  {"HTTP/1.1 503 x\r\n", "HTTP/1.1 503 x", true, false},
		"no status: server without TLS":    {"HTTP/1.1\r\n", "HTTP/1.1", true, false},
		"other markup: not HTTP":           {"<stream:stream>\n", "<stream:stream>", false, false},
		"SSH banner: not TLS":              {"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2", false, false},
		"SSL 2 record: not TLS":            {"\x80\x2e\x01\x00\x02", "\x80\x2e\x01\x00\x02", false, false},
		"HTTP line without end: HTTP, cut": {"HTTP/1.1 " + strings.Repeat("x", 4096), "HTTP/1.1 " + strings.Repeat("x", maxLine-9), true, false},
		"one byte: not TLS":                {"x", "x", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, len(test.sent)} {
				_, err := takeInPieces(New([32]byte{}), []byte(test.sent), size)
				var other *NotTLSError
				if !errors.As(err, &other) || other.HTTP != test.http || other.Page != test.page || string(other.Line) != test.line {
					t.Errorf("in pieces of %d: %v, want %q", size, err, test.line)
				}
			}
		})
	}
}

// takeInPieces gives all bytes to the client in pieces of that size, until an error, and then calls End.
func takeInPieces(c *Client, b []byte, size int) (Step, error) {
	most := Waiting
	for len(b) > 0 {
		n := min(size, len(b))
		step, err := c.Take(b[:n])
		if most = max(most, step); err != nil {
			return most, err
		}
		b = b[n:]
	}
	return most, c.End()
}
