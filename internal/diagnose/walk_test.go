package diagnose

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

const (
	expected = "CN=ARM Bootstrap CA"
	seenName = "CN=SSLInspect"
)

var about = Context{Service: "bootstrap", Host: "bootstrap.example.com"}

// shown is a server that showed a certificate and, if proved, held its key.
func shown(proved bool) *measurement.TLS {
	return &measurement.TLS{RawChain: [][]byte{{}}, KeyProved: proved, SignatureChecked: true}
}

// cut is a flight that ended between the certificate and the signature.
func cut() *measurement.TLS { return &measurement.TLS{RawChain: [][]byte{{}}} }

func alerted(t *measurement.TLS) *measurement.TLS {
	t.HasAlert, t.Alert = true, 40
	return t
}

func judged(v trust.Verdict) trust.Judgement {
	j := trust.Judgement{
		Seen: true, Verdict: v, Issuer: expected, Subject: "CN=cloud", Expected: expected,
		Authentic: v == trust.Good || v == trust.Expired || v == trust.NotYetValid || v == trust.WrongName,
	}
	if v == trust.WrongIssuer {
		j.Issuer = seenName
	}
	return j
}

var nothingSeen trust.Judgement

func TestWalk(t *testing.T) {
	good, wrong, forged := judged(trust.Good), judged(trust.WrongIssuer), judged(trust.ForgedIssuer)
	unproved, expired, wrongName := judged(trust.KeyNotProved), judged(trust.Expired), judged(trust.WrongName)
	failed := func(f measurement.Failure, in measurement.Phase) measurement.Outcome {
		return measurement.Outcome{Failure: f, FailedIn: in, Detail: measurement.Detail{Text: "said the wire"}}
	}
	with := func(o measurement.Outcome, seen *measurement.TLS) measurement.Outcome { o.TLS = seen; return o }
	retried := func(f measurement.Failure, web measurement.Outcome) measurement.Outcome {
		o := failed(f, measurement.Hello)
		web.Client = measurement.Web
		o.Web = &web
		return o
	}
	configured := Context{Host: about.Host, CredentialConfigured: true}
	const hello, finish = measurement.Hello, measurement.Finish

	for _, tt := range []struct {
		name    string
		outcome measurement.Outcome
		own     trust.Judgement
		web     *trust.Judgement
		about   Context
		want    Reason
		says    string // in the summary
	}{
		{name: "everything passes", outcome: with(measurement.Outcome{Pinged: true, Ponged: true}, shown(true)), own: good, want: OK},
		{name: "stopped at the flight, as asked", outcome: with(measurement.Outcome{FinishSkipped: true}, shown(true)), own: good, want: OK},
		{name: "the ping is not answered", outcome: with(measurement.Outcome{Pinged: true}, shown(true)), own: good, want: OK},
		{name: "the round ended before the ping's answer", outcome: with(failed(measurement.OutOfTime, measurement.Ping), shown(true)), own: good, want: OK},

		{name: "another issuer", outcome: with(measurement.Outcome{}, shown(true)), own: wrong, want: WrongIssuer, says: "signed by CN=SSLInspect instead of CN=ARM Bootstrap CA"},
		{name: "the issuer's name copied", outcome: with(measurement.Outcome{}, shown(true)), own: forged, want: ForgedIssuer, says: "names CN=ARM Bootstrap CA"},
		{name: "the certificate replayed without its key", outcome: with(measurement.Outcome{}, shown(false)), own: unproved, want: KeyNotProved, says: "certificate of CN=cloud"},
		{name: "expired", outcome: with(measurement.Outcome{}, shown(true)), own: expired, want: Expired, says: "expired"},
		{name: "not yet valid", outcome: with(measurement.Outcome{}, shown(true)), own: judged(trust.NotYetValid), want: NotYetValid},
		{name: "another name, to a browser", outcome: with(measurement.Outcome{Client: measurement.Web}, shown(true)), own: wrongName, want: WrongName},

		{name: "the wrong issuer is worse than an unfit flight", outcome: with(failed(measurement.Unfit, hello), shown(true)), own: wrong, want: WrongIssuer},
		{name: "the wrong issuer is worse than a refused certificate", outcome: with(failed(measurement.CertificateNeeded, finish), shown(true)), own: wrong, about: configured, want: WrongIssuer},
		{name: "the wrong issuer was seen before the connection was cut", outcome: with(failed(measurement.Reset, hello), cut()), own: wrong, want: WrongIssuer},
		{name: "the wrong issuer was seen before the round ended", outcome: with(failed(measurement.OutOfTime, finish), shown(true)), own: wrong, want: WrongIssuer},
		{name: "a flight cut before the signature proves nothing", outcome: with(failed(measurement.Reset, hello), cut()), own: unproved, want: Reset},
		{name: "a whole flight whose signature cannot be checked", outcome: with(measurement.Outcome{}, cut()), own: unproved, want: DeviceUnfit},
		{name: "a whole flight without a certificate", outcome: with(measurement.Outcome{}, &measurement.TLS{}), own: nothingSeen, want: DeviceUnfit},
		{name: "expired and refusing the throw-away certificate", outcome: with(failed(measurement.CertificateNeeded, finish), shown(true)), own: expired, want: Expired},

		{name: "refused", outcome: failed(measurement.Refused, measurement.Connect), want: Refused, says: "said the wire"},
		{name: "unreachable", outcome: failed(measurement.Unreachable, measurement.Connect), want: Unreachable},
		{name: "reset", outcome: failed(measurement.Reset, hello), want: Reset},
		{name: "closed", outcome: failed(measurement.Closed, hello), want: Closed},
		{name: "silent", outcome: failed(measurement.Silent, hello), want: Silent},
		{name: "alert", outcome: failed(measurement.Alert, hello), want: Alert},
		{name: "not TLS", outcome: failed(measurement.NotTLS, hello), want: NotTLS},
		{name: "malformed", outcome: failed(measurement.Malformed, hello), want: NotTLS},
		{name: "an HTTP page", outcome: failed(measurement.HTTP, hello), want: BlockPage, says: "said the wire"},
		{name: "unfit", outcome: with(failed(measurement.Unfit, hello), shown(true)), own: good, want: DeviceUnfit},
		{name: "the round ended", outcome: failed(measurement.OutOfTime, hello), want: OutOfTime, says: "said the wire"},
		{name: "the round ended, and nobody says how", outcome: measurement.Outcome{Failure: measurement.OutOfTime, FailedIn: hello}, want: OutOfTime, says: "the round ended first"},
		{name: "our own machine failed", outcome: failed(measurement.Internal, measurement.Connect), want: OutOfTime, says: "this machine could not"},

		{name: "the throw-away certificate is refused, as expected", outcome: with(failed(measurement.CertificateNeeded, finish), shown(true)), own: good, want: OK},
		{name: "the configured certificate is refused", outcome: with(failed(measurement.CertificateNeeded, finish), shown(true)), own: good, about: configured, want: CertificateRefused},
		{name: "the finish ends by an alert", outcome: with(failed(measurement.FinishFailed, finish), alerted(shown(true))), own: good, want: Alert},
		{name: "the finish ends otherwise", outcome: with(failed(measurement.FinishFailed, finish), shown(true)), own: good, want: Closed},
		{name: "the finish is met with silence", outcome: with(failed(measurement.Silent, finish), shown(true)), own: good, want: Silent, says: "client's part of the handshake"},
		{name: "the finish is cut", outcome: with(failed(measurement.Reset, finish), shown(true)), own: good, want: Reset},
		{name: "the round ended in the finish", outcome: with(failed(measurement.OutOfTime, finish), shown(true)), own: good, want: OutOfTime},

		{name: "a box that knows no CCM_8, by alert", outcome: retried(measurement.Alert, with(measurement.Outcome{}, shown(true))), web: &wrong, want: WrongIssuer, says: "signed by CN=SSLInspect instead of CN=ARM Bootstrap CA; the server refused the device's hello"},
		{name: "a box that knows no CCM_8, by reset", outcome: retried(measurement.Reset, with(measurement.Outcome{}, shown(true))), web: &forged, want: ForgedIssuer, says: "the connection was cut after the device's hello"},
		{name: "a box that knows no CCM_8, by silence, seen before it refused our certificate", outcome: retried(measurement.Silent, with(failed(measurement.CertificateNeeded, finish), shown(true))), web: &wrong, want: WrongIssuer},
		{name: "a box that replays the certificate to browsers", outcome: retried(measurement.Closed, with(measurement.Outcome{}, shown(false))), web: &unproved, want: KeyNotProved},
		{name: "a flight to a browser cut before the signature", outcome: retried(measurement.Closed, with(failed(measurement.Reset, hello), cut())), web: &unproved, want: Closed},
		{name: "a page for browsers", outcome: retried(measurement.Silent, failed(measurement.HTTP, hello)), web: &nothingSeen, want: BlockPage},
		{name: "the cloud takes a browser, the device is refused", outcome: retried(measurement.Alert, with(measurement.Outcome{}, shown(true))), web: &good, want: Alert},
		{name: "the cloud takes a browser, the device meets silence", outcome: retried(measurement.Silent, with(measurement.Outcome{}, shown(true))), web: &good, want: Silent},
		{name: "an expired certificate to a browser is no interception", outcome: retried(measurement.Reset, with(measurement.Outcome{}, shown(true))), web: &expired, want: Reset},
		{name: "somebody else has the address", outcome: retried(measurement.Alert, with(measurement.Outcome{}, shown(true))), web: &wrongName, want: Alert, says: "; a browser's hello meets CN=cloud, signed by"},
		{name: "the browser fares no better", outcome: retried(measurement.Reset, failed(measurement.Reset, hello)), web: &nothingSeen, want: Reset},
		{name: "the round ended with the browser", outcome: retried(measurement.Reset, failed(measurement.OutOfTime, hello)), web: &nothingSeen, want: Reset},
		{name: "a retry that was not judged", outcome: retried(measurement.Reset, with(measurement.Outcome{}, shown(true))), web: nil, want: Reset},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.outcome
			o.Address, o.Transport = netip.MustParseAddrPort("192.0.2.1:5684"), measurement.TCP
			if o.Client == "" {
				o.Client = measurement.Device
			}
			if tt.about.Host == "" {
				tt.about = about
			}
			f := Walk(&o, tt.own, tt.web, tt.about)
			if f.Reason != tt.want {
				t.Fatalf("reason %q, want %q (%s)", f.Reason, tt.want, f.Summary)
			}
			checkFinding(t, f)
			if strings.Contains(f.Summary+f.Advice, "  ") || strings.Contains(f.Summary+f.Advice, "%!") {
				t.Errorf("badly put together: %+v", f)
			}
			if !strings.Contains(f.Summary, tt.says) {
				t.Errorf("summary %q does not say %q", f.Summary, tt.says)
			}
			if f.Class != "" && f.Class != ClassSurvey && !strings.Contains(f.Advice, "TCP 5684 to bootstrap.example.com (192.0.2.1)") {
				t.Errorf("advice does not name the path: %s", f.Advice)
			}
			if f.Reason == WrongIssuer && (!strings.Contains(f.Advice, expected) || !strings.Contains(f.Advice, seenName)) {
				t.Errorf("advice does not name both issuers: %s", f.Advice)
			}
		})
	}
}

func TestAdviceKnowsTransportAndBrowser(t *testing.T) {
	good := judged(trust.Good)
	silent := measurement.Outcome{
		Address: netip.MustParseAddrPort("[2001:db8::1]:5684"), Transport: measurement.UDP, Client: measurement.Device,
		Failure: measurement.Silent, FailedIn: measurement.Hello,
	}
	if f := Walk(&silent, nothingSeen, nil, about); !strings.Contains(f.Advice, "UDP 5684 to bootstrap.example.com (2001:db8::1) outbound, replies included") {
		t.Errorf("UDP: %s", f.Advice)
	}
	answered := silent
	answered.FirstReply = 20 * time.Millisecond
	if f := Walk(&answered, nothingSeen, nil, about); !f.SmallOnly || !strings.Contains(f.Advice, "fragments") || strings.Contains(f.Advice, "outbound") {
		t.Errorf("UDP that is open: %+v", f)
	}
	silent.Transport, silent.Web = measurement.TCP, &measurement.Outcome{Client: measurement.Web, TLS: shown(true)}
	if f := Walk(&silent, nothingSeen, &good, about); !strings.Contains(f.Advice, "A browser's hello gets through") {
		t.Errorf("filtered by content: %s", f.Advice)
	}
	silent.Web = nil
	literal := Context{Host: "2001:db8::1"}
	if f := Walk(&silent, nothingSeen, nil, literal); strings.Contains(f.Advice, "(2001:db8::1)") {
		t.Errorf("an address that is its own name is named twice: %s", f.Advice)
	}
}

func TestReasonsAndClasses(t *testing.T) {
	want := map[Class][]Reason{
		ClassInterception: {"wrong_issuer", "forged_issuer", "key_not_proved", "block_page", "sinkhole"},
		ClassBlocked:      {"refused", "reset", "closed", "silent", "unreachable"},
		ClassServer:       {"alert", "not_tls", "device_unfit", "certificate_refused"},
		ClassCertificate:  {"expired", "not_yet_valid", "wrong_name"},
		ClassDNS:          {"dns_failed"},
		ClassSurvey:       {"out_of_time"},
	}
	n := 0
	for class, reasons := range want {
		n += len(reasons)
		for _, r := range reasons {
			if got := ClassOf(r); got != class {
				t.Errorf("ClassOf(%s) = %q, want %q", r, got, class)
			}
			if !slices.Contains(Reasons(), r) {
				t.Errorf("%s is not in Reasons()", r)
			}
		}
	}
	if len(Reasons()) != n {
		t.Errorf("%d reasons, want %d", len(Reasons()), n)
	}
	if ClassOf(OK) != "" || ClassOf("no_such_reason") != "" {
		t.Error("a class for what has none")
	}
}

// checkFinding holds a finding against what every finding promises.
func checkFinding(t *testing.T, f Finding) {
	t.Helper()
	if f.Reason == OK {
		if f != (Finding{}) {
			t.Errorf("nothing is wrong, but: %+v", f)
		}
		return
	}
	if f.Class == "" || f.Class != ClassOf(f.Reason) {
		t.Errorf("reason %q has class %q", f.Reason, f.Class)
	}
	if f.Summary == "" || !utf8.ValidString(f.Summary) {
		t.Errorf("summary %q", f.Summary)
	}
	if !strings.HasSuffix(f.Advice, ".") || !utf8.ValidString(f.Advice) {
		t.Errorf("advice %q is no sentence", f.Advice)
	}
	if !strings.Contains(f.Advice, f.Where) || f.Where == "" && f.Class != ClassSurvey {
		t.Errorf("advice %q does not name %q", f.Advice, f.Where)
	}
}

// FuzzWalk feeds every combination of failure, phase and verdict, with texts as hostile as the fuzzer finds them.
func FuzzWalk(f *testing.F) {
	failures := []measurement.Failure{
		measurement.Completed, measurement.Refused, measurement.Unreachable, measurement.Reset, measurement.Closed, measurement.Silent,
		measurement.Alert, measurement.NotTLS, measurement.HTTP, measurement.Malformed, measurement.Unfit, measurement.FinishFailed,
		measurement.CertificateNeeded, measurement.OutOfTime, measurement.Internal, "no_such_failure",
	}
	verdicts := []trust.Verdict{
		trust.Good, trust.WrongIssuer, trust.ForgedIssuer, trust.KeyNotProved, trust.Expired, trust.NotYetValid, trust.WrongName,
		"no_such_verdict",
	}
	phases := append([]measurement.Phase{""}, measurement.Phases...)
	for i := range failures {
		f.Add(uint8(i), uint8(i), uint8(i), uint16(0xffff>>i), "detail\xff\x00", "CN=\u202eevil")
	}
	f.Fuzz(func(t *testing.T, failure, phase, verdict uint8, flags uint16, detail, name string) {
		flag := func(i int) bool { return flags>>i&1 == 1 }
		tls := func(at int) *measurement.TLS {
			if !flag(at) {
				return nil
			}
			return &measurement.TLS{SignatureChecked: flag(at + 1), KeyProved: flag(at + 2), HasAlert: flag(at + 3)}
		}
		judgement := func(v int) trust.Judgement {
			return trust.Judgement{
				Seen: flag(0), Authentic: flag(1), Verdict: verdicts[v%len(verdicts)],
				Issuer: name, Subject: name, Expected: name, Detail: measurement.Detail{Text: detail},
			}
		}
		o := &measurement.Outcome{
			Failure: failures[int(failure)%len(failures)], FailedIn: phases[int(phase)%len(phases)],
			Detail: measurement.Detail{Text: detail}, TLS: tls(2), Transport: measurement.TCP, Client: measurement.Device,
		}
		var web *trust.Judgement
		if flag(6) {
			o.Web = &measurement.Outcome{Failure: failures[int(failure>>4)%len(failures)], Detail: measurement.Detail{Text: detail}, TLS: tls(7), Client: measurement.Web}
		}
		if flag(11) {
			j := judgement(int(verdict >> 4))
			web = &j
		}
		if flag(12) {
			o.Transport, o.Address = measurement.UDP, netip.MustParseAddrPort("192.0.2.1:5684")
		}
		checkFinding(t, Walk(o, judgement(int(verdict)), web, Context{Host: name, CredentialConfigured: flag(13)}))
	})
}
