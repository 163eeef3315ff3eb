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
)

func TestFlightIsJudgedAsADeviceWould(t *testing.T) {
	for name, test := range map[string]struct {
		server testServer
		unfit  []string // a part of each finding, in order
		proved bool
	}{
		"what a device expects":                  {proved: true},
		"no certificate asked for":               {server: testServer{noRequest: true}, proved: true},
		"signed with SHA-224":                    {server: testServer{scheme: 0x0303}, proved: true},
		"signed with SHA-1":                      {server: testServer{scheme: 0x0203}, unfit: []string{"signature algorithm 0x0203"}, proved: true},
		"signed with SHA-384":                    {server: testServer{scheme: 0x0503}, unfit: []string{"signature algorithm 0x0503"}, proved: true},
		"signed in a way that nobody knows":      {server: testServer{scheme: 0x0707}, unfit: []string{"signature algorithm 0x0707"}},
		"signed with another key":                {server: testServer{wrongKey: true}},
		"an RSA leaf":                            {server: testServer{signer: rsaKey(t), scheme: 0x0401}, unfit: []string{"RSA leaf key", "leaf signed with SHA256-RSA", "signature algorithm"}, proved: true},
		"an RSA leaf, PSS":                       {server: testServer{signer: rsaKey(t), scheme: 0x0804}, unfit: []string{"RSA leaf key", "leaf signed with SHA256-RSA", "signature algorithm"}, proved: true},
		"a leaf on secp384r1":                    {server: testServer{signer: ecdsaKey(t, elliptic.P384())}, unfit: []string{"leaf key on P-384", "leaf signed with ECDSA-SHA384"}, proved: true},
		"a key exchange on secp384r1":            {server: testServer{curve: 24}, unfit: []string{"key exchange on curve"}, proved: true},
		"a leaf that must not sign":              {server: testServer{leaf: onlyAgrees}, unfit: []string{"digitalSignature"}, proved: true},
		"a leaf that does not say what it may":   {server: testServer{leaf: saysNothing}, proved: true},
		"a leaf whose key usage has no bit":      {server: testServer{leaf: with(extension(false, 2, 5, 29, 15)(3, 2, 0, 0))}, unfit: []string{"digitalSignature"}, proved: true},
		"a leaf for clients":                     {server: testServer{leaf: mayBe(x509.ExtKeyUsageClientAuth)}, unfit: []string{"extendedKeyUsage lacks serverAuth"}, proved: true},
		"a leaf for clients and servers":         {server: testServer{leaf: mayBe(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)}, proved: true},
		"a leaf for anything":                    {server: testServer{leaf: mayBe(x509.ExtKeyUsageAny)}, proved: true},
		"a leaf for a use that nobody knows":     {server: testServer{leaf: with(extension(false, 2, 5, 29, 37)(0x30, 4, 6, 2, 0x2a, 3))}, unfit: []string{"extendedKeyUsage lacks serverAuth"}, proved: true},
		"a leaf signed with SHA-384":             {server: testServer{leaf: signedWith(x509.ECDSAWithSHA384)}, unfit: []string{"leaf signed with ECDSA-SHA384"}, proved: true},
		"a leaf signed with SHA-224":             {server: testServer{leafDER: signedWithSHA224}, proved: true},
		"an extension that nobody knows":         {server: testServer{leaf: with(extension(false, 1, 2, 3, 4)(5, 0))}, proved: true},
		"a critical one":                         {server: testServer{leaf: with(extension(true, 1, 2, 3, 4)(5, 0))}, unfit: []string{"critical certificate extension 1.2.3.4,"}, proved: true},
		"a critical one in the second":           {server: testServer{second: with(extension(true, 1, 2, 3, 4)(5, 0))}, unfit: []string{"critical certificate extension 1.2.3.4,"}, proved: true},
		"two critical ones":                      {server: testServer{leaf: with(extension(true, 1, 2, 3, 4)(5, 0), extension(true, 1, 2, 3, 5)(5, 0))}, unfit: []string{"1.2.3.4,"}, proved: true},
		"critical name constraints":              {server: testServer{leaf: constrained}, unfit: []string{"critical certificate extension 2.5.29.30,"}, proved: true},
		"critical policies":                      {server: testServer{leaf: with(extension(true, 2, 5, 29, 32)(0x30, 6, 0x30, 4, 6, 2, 0x2a, 3))}, unfit: []string{"certificatePolicies"}, proved: true},
		"critical policies: any":                 {server: testServer{leaf: with(extension(true, 2, 5, 29, 32)(0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0))}, proved: true},
		"critical extensions that all know":      {server: testServer{leaf: allKnown}, proved: true},
		"a second certificate of another kind":   {server: testServer{second: signedWith(x509.ECDSAWithSHA384)}, proved: true},
		"a certificate too large":                {server: testServer{extra: 1000}, unfit: []string{"certificate of"}, proved: true},
		"a message too large":                    {server: testServer{extra: 4000}, unfit: []string{"handshake message of", "certificate of"}, proved: true},
		"a suite that was not offered":           {server: testServer{suite: 0xc02b}, unfit: []string{"suite TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}, proved: true},
		"a suite without ECDHE":                  {server: testServer{suite: 0xc0a0, noExchange: true}, unfit: []string{"suite", "not ECDHE"}},
		"TLS 1.1":                                {server: testServer{version: 0x0302}, unfit: []string{"version TLS 1.1"}},
		"no extended master secret, no findings": {server: testServer{extensions: withoutEMS}, proved: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{1, 2, 3})
			step, err := c.Take(test.server.flight(t, c.random))
			if err != nil || step != FlightWhole {
				t.Fatalf("step %d, error %v", step, err)
			}
			f := c.Flight()
			if len(f.Unfit) != len(test.unfit) {
				t.Fatalf("unfit %q, want %q", f.Unfit, test.unfit)
			}
			for i, want := range test.unfit {
				if !strings.Contains(f.Unfit[i], want) {
					t.Errorf("unfit %q, want %q", f.Unfit[i], want)
				}
			}
			if checkable := test.proved || test.server.wrongKey; f.SignatureChecked != checkable {
				t.Errorf("signature checked: %v, want %v", f.SignatureChecked, checkable)
			}
			if f.KeyProved != test.proved {
				t.Errorf("key proved: %v, want %v", f.KeyProved, test.proved)
			}
			if seen := f.Evidence(); seen.FlightBytes != c.taken || seen.SignatureChecked != f.SignatureChecked || seen.CertificateRequested == test.server.noRequest || seen.Leaf() == nil {
				t.Errorf("evidence %+v of %d bytes", seen, c.taken)
			}
		})
	}
}

func onlyAgrees(c *x509.Certificate)  { c.KeyUsage = x509.KeyUsageKeyAgreement }
func saysNothing(c *x509.Certificate) { c.KeyUsage = 0 }

func constrained(c *x509.Certificate) {
	c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.com"}, true
}

func mayBe(usages ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
}

func signedWith(algorithm x509.SignatureAlgorithm) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.SignatureAlgorithm = algorithm }
}

// signedWithSHA224 renames the signature algorithm, which package x509 cannot do. Nobody here checks that signature.
func signedWithSHA224(der []byte) []byte {
	id := []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3}
	return bytes.ReplaceAll(der, append(id, 2), append(id, 1))
}

func extension(critical bool, id ...int) func(value ...byte) pkix.Extension {
	return func(value ...byte) pkix.Extension { return pkix.Extension{Id: id, Critical: critical, Value: value} }
}

// with adds extensions; one replaces what the template says of its kind.
func with(extensions ...pkix.Extension) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions = extensions }
}

// allKnown marks as critical every extension that a device knows.
func allKnown(c *x509.Certificate) {
	with(
		extension(true, 2, 5, 29, 15)(3, 2, 7, 0x80),                             // keyUsage: digitalSignature
		extension(true, 2, 5, 29, 37)(0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1), // extendedKeyUsage: serverAuth
		extension(true, 2, 5, 29, 17)(0x30, 3, 0x82, 1, 'x'),                     // subjectAltName
		extension(true, 2, 5, 29, 19)(0x30, 0),                                   // basicConstraints
		extension(true, 2, 16, 840, 1, 113730, 1, 1)(3, 2, 6, 0x40),              // Netscape's certificate type: server
	)(c)
}

// TestAMessageInSeveralRecordsIsUnfit cuts one flight into records in many ways. All of them are good TLS.
func TestAMessageInSeveralRecordsIsUnfit(t *testing.T) {
	for name, test := range map[string]struct {
		extra int
		cut   func(m [][]byte) [][]byte // messages to the contents of records
		unfit []string
	}{
		"each message in a record": {cut: func(m [][]byte) [][]byte { return m }},
		"all messages in one":      {cut: func(m [][]byte) [][]byte { return [][]byte{bytes.Join(m, nil)} }},
		"two messages in one":      {cut: func(m [][]byte) [][]byte { return append([][]byte{bytes.Join(m[:2], nil)}, m[2:]...) }},
		"records of 100 bytes":     {cut: func(m [][]byte) [][]byte { return chunks(bytes.Join(m, nil), 100) }, unfit: []string{"Certificate split"}},
		"a header alone":           {cut: func(m [][]byte) [][]byte { return slices.Concat(m[:2], [][]byte{m[2][:4], m[2][4:]}, m[3:]) }, unfit: []string{"ServerKeyExchange split"}},
		"a header split":           {cut: func(m [][]byte) [][]byte { return slices.Concat(m[:4], [][]byte{m[4][:1], m[4][1:]}) }, unfit: []string{"ServerHelloDone split"}},
		"the last byte left over": {cut: func(m [][]byte) [][]byte {
			return slices.Concat(m[:1], [][]byte{m[1][:len(m[1])-1], append(m[1][len(m[1])-1:], m[2]...)}, m[3:])
		}, unfit: []string{"Certificate split"}},
		"more in one than a device":    {extra: 3700, cut: func(m [][]byte) [][]byte { return [][]byte{bytes.Join(m, nil)} }, unfit: []string{"record of", "certificate of"}},
		"the same, each in a record":   {extra: 3700, cut: func(m [][]byte) [][]byte { return m }, unfit: []string{"certificate of"}},
		"too large alone, and in one":  {extra: 4000, cut: func(m [][]byte) [][]byte { return [][]byte{bytes.Join(m, nil)} }, unfit: []string{"record of", "handshake message of", "certificate of"}},
		"too large, and split as well": {extra: 4000, cut: func(m [][]byte) [][]byte { return chunks(bytes.Join(m, nil), 4096) }, unfit: []string{"Certificate split", "handshake message of", "certificate of"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{1})
			var sent []byte
			for _, content := range test.cut((&testServer{extra: test.extra}).messages(t, c.random)) {
				sent = append(sent, record(recordHandshake, content)...)
			}
			step, err := takeInPieces(c, sent, 7)
			f := c.Flight()
			if err != nil || step != FlightWhole || !f.KeyProved {
				t.Fatalf("step %d, error %v, key proved %v", step, err, f.KeyProved)
			}
			if !slices.EqualFunc(f.Unfit, test.unfit, strings.Contains) {
				t.Errorf("unfit %q, want %q", f.Unfit, test.unfit)
			}
		})
	}
}

func chunks(b []byte, size int) [][]byte { return slices.Collect(slices.Chunk(b, size)) }

func TestTheProofIsOfThisHandshakeAlone(t *testing.T) {
	c := New([32]byte{1})
	if _, err := c.Take(new(testServer).flight(t, [32]byte{2})); err != nil {
		t.Fatal(err)
	}
	if f := c.Flight(); !f.SignatureChecked || f.KeyProved {
		t.Errorf("a flight replayed from another handshake: checked %v, proved %v", f.SignatureChecked, f.KeyProved)
	}
	if _, err := c.Finish(nil); !errors.Is(err, ErrNotReady) {
		t.Errorf("finish with one who replays: %v, want ErrNotReady", err)
	}
}

func TestOverDTLSTheSameFlightCountsItsLongerHeaders(t *testing.T) {
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

func TestABreachOfTheProtocolEndsTheFlight(t *testing.T) {
	s := new(testServer)
	m := s.messages(t, [32]byte{})
	join := func(parts ...[]byte) []byte { return record(recordHandshake, bytes.Join(parts, nil)) }
	edit := func(b []byte, at int, to ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], to)
		return b
	}
	for name, sent := range map[string][]byte{
		"no ServerHello first":                  join(m[1]),
		"ServerHello twice":                     join(m[0], m[0]),
		"messages out of order":                 join(m[0], m[2], m[1]),
		"a Finished in the clear":               join(m[0], message(t, typeFinished, raw(make([]byte, 12)))),
		"ServerHelloDone with a body":           join(m[0], m[1], m[2], message(t, typeServerHelloDone, raw([]byte{0}))),
		"a ServerHello cut short":               join(message(t, typeServerHello, raw([]byte{3, 3}))),
		"a compressed session":                  join(edit(m[0], 4+2+32+1+2, 1)),
		"renegotiation of nothing":              join(edit(m[0], len(m[0])-5, 1)),
		"a leaf that is no certificate":         join(m[0], message(t, typeCertificate, raw([]byte{0, 0, 4, 0, 0, 1, 0x30}))),
		"a point that is not on the curve":      join(m[0], m[1], edit(m[2], 4+4+10, 0xff, 0xff, 0xff)),
		"a certificate announced of 16 MiB":     join(m[0], []byte{typeCertificate, 0xff, 0xff, 0xff}),
		"more than is read":                     bytes.Repeat(record(recordHandshake, make([]byte, maxPlaintext)), 5),
		"an empty record":                       {recordHandshake, 3, 3, 0, 0},
		"a record too long":                     {recordHandshake, 3, 3, 0x40, 1},
		"application data":                      record(recordApplicationData, []byte("hello")),
		"ChangeCipherSpec":                      record(recordChangeCipherSpec, []byte{1}),
		"an alert of one byte":                  record(recordAlert, []byte{2}),
		"warnings without end":                  bytes.Repeat(record(recordAlert, []byte{1, 112}), maxWarnings+1),
		"something else after the first record": append(join(m[0]), "HTTP/1.1 200 OK\r\n"...),
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{})
			if _, err := c.Take(sent); !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v, want ErrMalformed", err)
			}
		})
	}
}

func TestAnAlertEndsTheHello(t *testing.T) {
	c := New([32]byte{})
	sent := append(record(recordAlert, []byte{1, 112}), record(recordAlert, []byte{2, 40})...)
	_, err := c.Take(sent)
	var alert *AlertError
	if !errors.As(err, &alert) || alert.Description != 40 || alert.CloseNotify() {
		t.Errorf("error %v, want the alert handshake_failure", err)
	}
}

func TestBytesThatAreNoTLSAreToldFromHTTP(t *testing.T) {
	for name, test := range map[string]struct {
		sent, line string
		http       bool
	}{
		"a block page":             {"HTTP/1.1 403 Forbidden\r\nServer: x\r\n", "HTTP/1.1 403 Forbidden", true},
		"another protocol":         {"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2", false},
		"a record of SSL 2":        {"\x80\x2e\x01\x00\x02", "\x80\x2e\x01\x00\x02", false},
		"an HTTP line without end": {"HTTP/1.1 " + strings.Repeat("x", 4096), "HTTP/1.1 " + strings.Repeat("x", maxLine-9), true},
		"one byte":                 {"x", "x", false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, len(test.sent)} {
				_, err := takeInPieces(New([32]byte{}), []byte(test.sent), size)
				var other *NotTLSError
				if !errors.As(err, &other) || other.HTTP != test.http || string(other.Line) != test.line {
					t.Errorf("in pieces of %d: %v, want %q", size, err, test.line)
				}
			}
		})
	}
}

// takeInPieces gives all bytes in pieces of that size, until an error, and then says that no more will come.
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
