package diagnose

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

const (
	expected = "CN=ARM Bootstrap CA"
	seenName = "CN=SSLInspect"
)

var about = Context{Service: "bootstrap", Host: "bootstrap.example.com"}

// shown is a server that showed a certificate and, if proved, held its key.
func shown(proved bool) *evidence.TLS {
	return &evidence.TLS{Chain: []*x509.Certificate{{}}, KeyProved: proved, SignatureChecked: true}
}

// cut is a flight that ended between the certificate and the signature.
func cut() *evidence.TLS { return &evidence.TLS{Chain: []*x509.Certificate{{}}} }

func alerted(t *evidence.TLS) *evidence.TLS {
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
	failed := func(f evidence.Failure, in evidence.Phase) evidence.Outcome {
		return evidence.Outcome{Failure: f, FailedIn: in, Detail: "said the wire"}
	}
	with := func(o evidence.Outcome, seen *evidence.TLS) evidence.Outcome { o.TLS = seen; return o }
	retried := func(f evidence.Failure, web evidence.Outcome) evidence.Outcome {
		o := failed(f, evidence.Hello)
		web.Client = evidence.Web
		o.Web = &web
		return o
	}
	configured := Context{Host: about.Host, CredentialConfigured: true}
	const hello, finish = evidence.Hello, evidence.Finish

	for _, tt := range []struct {
		name    string
		outcome evidence.Outcome
		own     trust.Judgement
		web     *trust.Judgement
		about   Context
		want    Reason
		says    string // in the summary
	}{
		{name: "everything passes", outcome: with(evidence.Outcome{Pinged: true, Ponged: true}, shown(true)), own: good, want: OK},
		{name: "stopped at the flight, as asked", outcome: with(evidence.Outcome{FinishSkipped: true}, shown(true)), own: good, want: OK},
		{name: "the ping is not answered", outcome: with(evidence.Outcome{Pinged: true}, shown(true)), own: good, want: OK},
		{name: "the round ended before the ping's answer", outcome: with(failed(evidence.OutOfTime, evidence.Ping), shown(true)), own: good, want: OK},

		{name: "another issuer", outcome: with(evidence.Outcome{}, shown(true)), own: wrong, want: WrongIssuer, says: "signed by CN=SSLInspect instead of CN=ARM Bootstrap CA"},
		{name: "the issuer's name copied", outcome: with(evidence.Outcome{}, shown(true)), own: forged, want: ForgedIssuer, says: "names CN=ARM Bootstrap CA"},
		{name: "the certificate replayed without its key", outcome: with(evidence.Outcome{}, shown(false)), own: unproved, want: KeyNotProved, says: "certificate of CN=cloud"},
		{name: "expired", outcome: with(evidence.Outcome{}, shown(true)), own: expired, want: Expired, says: "expired"},
		{name: "not yet valid", outcome: with(evidence.Outcome{}, shown(true)), own: judged(trust.NotYetValid), want: NotYetValid},
		{name: "another name, to a browser", outcome: with(evidence.Outcome{Client: evidence.Web}, shown(true)), own: wrongName, want: WrongName},

		{name: "the wrong issuer is worse than an unfit flight", outcome: with(failed(evidence.Unfit, hello), shown(true)), own: wrong, want: WrongIssuer},
		{name: "the wrong issuer is worse than a refused certificate", outcome: with(failed(evidence.CertificateNeeded, finish), shown(true)), own: wrong, about: configured, want: WrongIssuer},
		{name: "the wrong issuer was seen before the connection was cut", outcome: with(failed(evidence.Reset, hello), cut()), own: wrong, want: WrongIssuer},
		{name: "the wrong issuer was seen before the round ended", outcome: with(failed(evidence.OutOfTime, finish), shown(true)), own: wrong, want: WrongIssuer},
		{name: "a flight cut before the signature proves nothing", outcome: with(failed(evidence.Reset, hello), cut()), own: unproved, want: Reset},
		{name: "a whole flight whose signature cannot be checked", outcome: with(evidence.Outcome{}, cut()), own: unproved, want: DeviceUnfit},
		{name: "a whole flight without a certificate", outcome: with(evidence.Outcome{}, &evidence.TLS{}), own: nothingSeen, want: DeviceUnfit},
		{name: "expired and refusing the throw-away certificate", outcome: with(failed(evidence.CertificateNeeded, finish), shown(true)), own: expired, want: Expired},

		{name: "refused", outcome: failed(evidence.Refused, evidence.Connect), want: Refused, says: "said the wire"},
		{name: "unreachable", outcome: failed(evidence.Unreachable, evidence.Connect), want: Unreachable},
		{name: "reset", outcome: failed(evidence.Reset, hello), want: Reset},
		{name: "closed", outcome: failed(evidence.Closed, hello), want: Closed},
		{name: "silent", outcome: failed(evidence.Silent, hello), want: Silent},
		{name: "alert", outcome: failed(evidence.Alert, hello), want: Alert},
		{name: "not TLS", outcome: failed(evidence.NotTLS, hello), want: NotTLS},
		{name: "malformed", outcome: failed(evidence.Malformed, hello), want: NotTLS},
		{name: "an HTTP page", outcome: failed(evidence.HTTP, hello), want: BlockPage, says: "said the wire"},
		{name: "unfit", outcome: with(failed(evidence.Unfit, hello), shown(true)), own: good, want: DeviceUnfit},
		{name: "the round ended", outcome: failed(evidence.OutOfTime, hello), want: OutOfTime, says: "said the wire"},
		{name: "the round ended, and nobody says how", outcome: evidence.Outcome{Failure: evidence.OutOfTime, FailedIn: hello}, want: OutOfTime, says: "the round ended first"},
		{name: "our own machine failed", outcome: failed(evidence.Internal, evidence.Connect), want: OutOfTime, says: "this machine could not"},

		{name: "the throw-away certificate is refused, as expected", outcome: with(failed(evidence.CertificateNeeded, finish), shown(true)), own: good, want: OK},
		{name: "the configured certificate is refused", outcome: with(failed(evidence.CertificateNeeded, finish), shown(true)), own: good, about: configured, want: CertificateRefused},
		{name: "the finish ends by an alert", outcome: with(failed(evidence.FinishFailed, finish), alerted(shown(true))), own: good, want: Alert},
		{name: "the finish ends otherwise", outcome: with(failed(evidence.FinishFailed, finish), shown(true)), own: good, want: Closed},
		{name: "the finish is met with silence", outcome: with(failed(evidence.Silent, finish), shown(true)), own: good, want: Silent, says: "client's part of the handshake"},
		{name: "the finish is cut", outcome: with(failed(evidence.Reset, finish), shown(true)), own: good, want: Reset},
		{name: "the round ended in the finish", outcome: with(failed(evidence.OutOfTime, finish), shown(true)), own: good, want: OutOfTime},

		{name: "a box that knows no CCM_8, by alert", outcome: retried(evidence.Alert, with(evidence.Outcome{}, shown(true))), web: &wrong, want: WrongIssuer, says: "signed by CN=SSLInspect instead of CN=ARM Bootstrap CA; the server refused the device's hello"},
		{name: "a box that knows no CCM_8, by reset", outcome: retried(evidence.Reset, with(evidence.Outcome{}, shown(true))), web: &forged, want: ForgedIssuer, says: "the connection was cut after the device's hello"},
		{name: "a box that knows no CCM_8, by silence, seen before it refused our certificate", outcome: retried(evidence.Silent, with(failed(evidence.CertificateNeeded, finish), shown(true))), web: &wrong, want: WrongIssuer},
		{name: "a box that replays the certificate to browsers", outcome: retried(evidence.Closed, with(evidence.Outcome{}, shown(false))), web: &unproved, want: KeyNotProved},
		{name: "a flight to a browser cut before the signature", outcome: retried(evidence.Closed, with(failed(evidence.Reset, hello), cut())), web: &unproved, want: Closed},
		{name: "a page for browsers", outcome: retried(evidence.Silent, failed(evidence.HTTP, hello)), web: &nothingSeen, want: BlockPage},
		{name: "the cloud takes a browser, the device is refused", outcome: retried(evidence.Alert, with(evidence.Outcome{}, shown(true))), web: &good, want: Alert},
		{name: "the cloud takes a browser, the device meets silence", outcome: retried(evidence.Silent, with(evidence.Outcome{}, shown(true))), web: &good, want: Silent},
		{name: "an expired certificate to a browser is no interception", outcome: retried(evidence.Reset, with(evidence.Outcome{}, shown(true))), web: &expired, want: Reset},
		{name: "somebody else has the address", outcome: retried(evidence.Alert, with(evidence.Outcome{}, shown(true))), web: &wrongName, want: Alert, says: "; a browser's hello meets CN=cloud, signed by"},
		{name: "the browser fares no better", outcome: retried(evidence.Reset, failed(evidence.Reset, hello)), web: &nothingSeen, want: Reset},
		{name: "the round ended with the browser", outcome: retried(evidence.Reset, failed(evidence.OutOfTime, hello)), web: &nothingSeen, want: Reset},
		{name: "a retry that was not judged", outcome: retried(evidence.Reset, with(evidence.Outcome{}, shown(true))), web: nil, want: Reset},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.outcome
			o.Address, o.Transport = netip.MustParseAddrPort("192.0.2.1:5684"), evidence.TCP
			if o.Client == "" {
				o.Client = evidence.Device
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
	silent := evidence.Outcome{
		Address: netip.MustParseAddrPort("[2001:db8::1]:5684"), Transport: evidence.UDP, Client: evidence.Device,
		Failure: evidence.Silent, FailedIn: evidence.Hello,
	}
	if f := Walk(&silent, nothingSeen, nil, about); !strings.Contains(f.Advice, "UDP 5684 to bootstrap.example.com (2001:db8::1) outbound, replies included") {
		t.Errorf("UDP: %s", f.Advice)
	}
	answered := silent
	answered.FirstReply = 20 * time.Millisecond
	if f := Walk(&answered, nothingSeen, nil, about); !f.SmallOnly || !strings.Contains(f.Advice, "fragments") || strings.Contains(f.Advice, "outbound") {
		t.Errorf("UDP that is open: %+v", f)
	}
	silent.Transport, silent.Web = evidence.TCP, &evidence.Outcome{Client: evidence.Web, TLS: shown(true)}
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
	failures := []evidence.Failure{
		evidence.Completed, evidence.Refused, evidence.Unreachable, evidence.Reset, evidence.Closed, evidence.Silent,
		evidence.Alert, evidence.NotTLS, evidence.HTTP, evidence.Malformed, evidence.Unfit, evidence.FinishFailed,
		evidence.CertificateNeeded, evidence.OutOfTime, evidence.Internal, "no_such_failure",
	}
	verdicts := []trust.Verdict{
		trust.Good, trust.WrongIssuer, trust.ForgedIssuer, trust.KeyNotProved, trust.Expired, trust.NotYetValid, trust.WrongName,
		"no_such_verdict",
	}
	phases := append([]evidence.Phase{""}, evidence.Phases...)
	for i := range failures {
		f.Add(uint8(i), uint8(i), uint8(i), uint16(0xffff>>i), "detail\xff\x00", "CN=\u202eevil")
	}
	f.Fuzz(func(t *testing.T, failure, phase, verdict uint8, flags uint16, detail, name string) {
		flag := func(i int) bool { return flags>>i&1 == 1 }
		tls := func(at int) *evidence.TLS {
			if !flag(at) {
				return nil
			}
			return &evidence.TLS{SignatureChecked: flag(at + 1), KeyProved: flag(at + 2), HasAlert: flag(at + 3)}
		}
		judgement := func(v int) trust.Judgement {
			return trust.Judgement{
				Seen: flag(0), Authentic: flag(1), Verdict: verdicts[v%len(verdicts)],
				Issuer: name, Subject: name, Expected: name, Detail: detail,
			}
		}
		o := &evidence.Outcome{
			Failure: failures[int(failure)%len(failures)], FailedIn: phases[int(phase)%len(phases)],
			Detail: detail, TLS: tls(2), Transport: evidence.TCP, Client: evidence.Device,
		}
		var web *trust.Judgement
		if flag(6) {
			o.Web = &evidence.Outcome{Failure: failures[int(failure>>4)%len(failures)], Detail: detail, TLS: tls(7), Client: evidence.Web}
		}
		if flag(11) {
			j := judgement(int(verdict >> 4))
			web = &j
		}
		if flag(12) {
			o.Transport, o.Address = evidence.UDP, netip.MustParseAddrPort("192.0.2.1:5684")
		}
		checkFinding(t, Walk(o, judgement(int(verdict)), web, Context{Host: name, CredentialConfigured: flag(13)}))
	})
}
