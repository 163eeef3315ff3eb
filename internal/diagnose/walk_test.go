package diagnose

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

const (
	expected = "CN=ARM Bootstrap CA"
	seenName = "CN=SSLInspect"
)

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
	forHost, selfSigned := wrong, wrong
	forHost.NamesHost, selfSigned.NamesHost, selfSigned.SelfSigned = true, true, true
	failed := func(f measurement.Failure, in measurement.Phase) measurement.Outcome {
		return measurement.Outcome{Failure: f, FailedIn: in, Detail: measurement.Detail{Text: "said the wire"}}
	}
	unproven := func(o measurement.Outcome) measurement.Outcome { o.Unproven = true; return o }
	detailed := func(f measurement.Failure, in measurement.Phase, kind measurement.DetailKind) measurement.Outcome {
		return measurement.Outcome{Failure: f, FailedIn: in, Detail: measurement.Detail{Kind: kind, Text: "said the wire"}}
	}
	with := func(o measurement.Outcome, seen *measurement.TLS) measurement.Outcome { o.TLS = seen; return o }
	retried := func(f measurement.Failure, web measurement.Outcome) measurement.Outcome {
		o := failed(f, measurement.Hello)
		web.Client = measurement.Web
		o.Web = &web
		return o
	}
	const hello, finish = measurement.Hello, measurement.Finish

	for _, tt := range []struct {
		name       string
		outcome    measurement.Outcome
		own        trust.Judgement
		web        *trust.Judgement
		credential bool // the client certificate is the site's own
		withdrawn  bool // the zone has withdrawn the address
		want       reason.Reason
		advice     reason.Advice // "": that of the reason's record
		device     reason.Reason // the result of the device's own hello, if the browser's decides
	}{
		{name: "everything passes", outcome: with(measurement.Outcome{Pinged: true, Ponged: true}, shown(true)), own: good, want: reason.OK},
		{name: "stopped at the flight, as asked", outcome: with(measurement.Outcome{}, shown(true)), own: good, want: reason.OK},
		{name: "the ping is not answered", outcome: with(measurement.Outcome{Pinged: true}, shown(true)), own: good, want: reason.OK},
		{name: "the round ended before the ping's answer", outcome: with(failed(measurement.OutOfTime, measurement.Ping), shown(true)), own: good, want: reason.OK},

		{name: "another issuer", outcome: with(measurement.Outcome{}, shown(true)), own: wrong, want: reason.WrongIssuer},
		{name: "the issuer's name copied", outcome: with(measurement.Outcome{}, shown(true)), own: forged, want: reason.ForgedIssuer},
		{name: "the certificate replayed without its key", outcome: with(measurement.Outcome{}, shown(false)), own: unproved, want: reason.KeyNotProved},
		{name: "expired", outcome: with(measurement.Outcome{}, shown(true)), own: expired, want: reason.Expired},
		{name: "not yet valid", outcome: with(measurement.Outcome{}, shown(true)), own: judged(trust.NotYetValid), want: reason.NotYetValid},
		{name: "another name, to a browser", outcome: with(measurement.Outcome{Client: measurement.Web}, shown(true)), own: wrongName, want: reason.WrongName},

		{name: "the wrong issuer is worse than an unfit flight", outcome: with(failed(measurement.Unfit, hello), shown(true)), own: wrong, want: reason.WrongIssuer},
		{name: "the wrong issuer is worse than a refused certificate", outcome: with(failed(measurement.CertificateNeeded, finish), shown(true)), own: wrong, credential: true, want: reason.WrongIssuer},
		{name: "the wrong issuer was seen before the connection was cut", outcome: with(failed(measurement.Reset, hello), cut()), own: wrong, want: reason.WrongIssuer},
		{name: "the wrong issuer was seen before the round ended", outcome: with(failed(measurement.OutOfTime, finish), shown(true)), own: wrong, want: reason.WrongIssuer},
		{name: "a flight cut before the signature proves nothing", outcome: with(failed(measurement.Reset, hello), cut()), own: unproved, want: reason.Reset},
		{name: "a whole flight whose signature cannot be checked", outcome: with(measurement.Outcome{}, cut()), own: unproved, want: reason.DeviceUnfit},
		{name: "a whole flight without a certificate", outcome: with(measurement.Outcome{}, &measurement.TLS{}), own: nothingSeen, want: reason.DeviceUnfit},
		{name: "expired and refusing the throw-away certificate", outcome: with(failed(measurement.CertificateNeeded, finish), shown(true)), own: expired, want: reason.Expired},

		{name: "refused", outcome: failed(measurement.Refused, measurement.Connect), want: reason.Refused},
		{name: "unreachable", outcome: failed(measurement.Unreachable, measurement.Connect), want: reason.Unreachable},
		{name: "reset", outcome: failed(measurement.Reset, hello), want: reason.Reset},
		{name: "closed", outcome: failed(measurement.Closed, hello), want: reason.Closed},
		{name: "silent", outcome: failed(measurement.Silent, hello), want: reason.Silent},
		{name: "alert", outcome: failed(measurement.Alert, hello), want: reason.Alert},
		{name: "not TLS", outcome: failed(measurement.NotTLS, hello), want: reason.NotTLS},
		{name: "malformed", outcome: failed(measurement.Malformed, hello), want: reason.NotTLS},
		{name: "an HTTP page", outcome: failed(measurement.HTTP, hello), want: reason.BlockPage},
		{name: "unfit", outcome: with(failed(measurement.Unfit, hello), shown(true)), own: good, want: reason.DeviceUnfit},
		{name: "the round ended", outcome: failed(measurement.OutOfTime, hello), want: reason.OutOfTime},
		{name: "the round ended, without a detail", outcome: measurement.Outcome{Failure: measurement.OutOfTime, FailedIn: hello}, want: reason.OutOfTime},
		{name: "our own machine failed", outcome: failed(measurement.Internal, measurement.Connect), want: reason.OutOfTime, advice: reason.CheckThisMachine},

		{name: "the throw-away certificate is refused, as expected", outcome: with(failed(measurement.CertificateNeeded, finish), shown(true)), own: good, want: reason.OK},
		{name: "the configured certificate is refused", outcome: with(failed(measurement.CertificateNeeded, finish), shown(true)), own: good, credential: true, want: reason.CertificateRefused},
		{name: "the configured certificate is not proved to be refused", outcome: unproven(with(failed(measurement.CertificateNeeded, finish), shown(true))), own: good, credential: true, want: reason.Closed, advice: reason.CheckCertificateThenFirewall},
		{name: "the session is reset after the configured certificate", outcome: unproven(with(detailed(measurement.CertificateNeeded, finish, measurement.DetailResetAfterCert), shown(true))), own: good, credential: true, want: reason.Reset, advice: reason.CheckCertificateThenFirewall},
		{name: "the session is reset after the temporary certificate", outcome: unproven(with(detailed(measurement.CertificateNeeded, finish, measurement.DetailResetAfterCert), shown(true))), own: good, want: reason.OK},
		{name: "this machine was suspended", outcome: detailed(measurement.OutOfTime, hello, measurement.DetailSuspended), want: reason.OutOfTime, advice: reason.CheckThisMachine},
		{name: "a server without TLS", outcome: detailed(measurement.NotTLS, hello, measurement.DetailHTTPServer), want: reason.NotTLS, advice: reason.CheckServer},
		{name: "large packets are lost", outcome: detailed(measurement.Silent, hello, measurement.DetailSegmentsLost), want: reason.Silent, advice: reason.LetLargePacketsPass},
		{name: "records with a connection id are lost", outcome: with(detailed(measurement.Silent, finish, measurement.DetailIDRecordsLost), shown(true)), own: good, want: reason.Silent, advice: reason.LetIDRecordsPass},
		{name: "the finish ends by an alert", outcome: with(failed(measurement.FinishFailed, finish), alerted(shown(true))), own: good, want: reason.Alert},
		{name: "the finish ends otherwise", outcome: with(failed(measurement.FinishFailed, finish), shown(true)), own: good, want: reason.Closed, advice: reason.LetSessionFinish},
		{name: "the finish is met with silence", outcome: with(failed(measurement.Silent, finish), shown(true)), own: good, want: reason.Silent, advice: reason.LetSessionFinish},
		{name: "ICMP port unreachable in the finish", outcome: with(failed(measurement.Refused, finish), shown(true)), own: good, want: reason.Refused, advice: reason.LetSessionFinish},
		{name: "the finish is cut", outcome: with(failed(measurement.Reset, finish), shown(true)), own: good, want: reason.Reset, advice: reason.LetSessionFinish},
		{name: "the round ended in the finish", outcome: with(failed(measurement.OutOfTime, finish), shown(true)), own: good, want: reason.OutOfTime},

		{name: "a box that knows no CCM_8, by alert", outcome: retried(measurement.Alert, with(measurement.Outcome{}, shown(true))), web: &wrong, want: reason.WrongIssuer, device: reason.Alert},
		{name: "a box that knows no CCM_8, by reset", outcome: retried(measurement.Reset, with(measurement.Outcome{}, shown(true))), web: &forged, want: reason.ForgedIssuer, device: reason.Reset},
		{name: "a box that knows no CCM_8, by silence, seen before it refused our certificate", outcome: retried(measurement.Silent, with(failed(measurement.CertificateNeeded, finish), shown(true))), web: &wrong, want: reason.WrongIssuer, device: reason.Silent},
		{name: "a box that replays the certificate to browsers", outcome: retried(measurement.Closed, with(measurement.Outcome{}, shown(false))), web: &unproved, want: reason.KeyNotProved, device: reason.Closed},
		{name: "a flight to a browser cut before the signature", outcome: retried(measurement.Closed, with(failed(measurement.Reset, hello), cut())), web: &unproved, want: reason.Closed},
		{name: "a page for browsers", outcome: retried(measurement.Silent, failed(measurement.HTTP, hello)), web: &nothingSeen, want: reason.BlockPage, device: reason.Silent},
		{name: "the cloud takes a browser, the device is refused", outcome: retried(measurement.Alert, with(measurement.Outcome{}, shown(true))), web: &good, want: reason.Alert, advice: reason.AskAboutDeviceAlert},
		{name: "the cloud takes a browser, the device meets silence", outcome: retried(measurement.Silent, with(measurement.Outcome{}, shown(true))), web: &good, want: reason.Silent, advice: reason.StopHelloFiltering},
		{name: "an expired certificate in answer to the browser does not prove interception", outcome: retried(measurement.Reset, with(measurement.Outcome{}, shown(true))), web: &expired, want: reason.Reset, advice: reason.StopHelloFiltering},
		{name: "another site's server has the address", outcome: retried(measurement.Alert, with(measurement.Outcome{}, shown(true))), web: &wrongName, want: reason.Alert, advice: reason.CheckAddress},
		{name: "the browser fares no better", outcome: retried(measurement.Reset, failed(measurement.Reset, hello)), web: &nothingSeen, want: reason.Reset},
		{name: "the round ended with the browser", outcome: retried(measurement.Reset, failed(measurement.OutOfTime, hello)), web: &nothingSeen, want: reason.Reset},
		{name: "withdrawn: another name of another authority", outcome: with(measurement.Outcome{}, shown(true)), own: wrong, withdrawn: true, want: reason.DeviceUnfit, advice: reason.CheckAddress},
		{name: "withdrawn: a self-signed certificate for the host", outcome: with(measurement.Outcome{}, shown(true)), own: selfSigned, withdrawn: true, want: reason.DeviceUnfit, advice: reason.CheckAddress},
		{name: "not withdrawn: a self-signed certificate for the host", outcome: with(measurement.Outcome{}, shown(true)), own: selfSigned, want: reason.WrongIssuer},
		{name: "withdrawn: a certificate of another authority for the host", outcome: with(measurement.Outcome{}, shown(true)), own: forHost, withdrawn: true, want: reason.WrongIssuer},
		{name: "withdrawn: an HTTP page", outcome: failed(measurement.HTTP, hello), withdrawn: true, want: reason.NotTLS, advice: reason.CheckAddress},
		{name: "withdrawn: a page for browsers", outcome: retried(measurement.Silent, failed(measurement.HTTP, hello)), web: &nothingSeen, withdrawn: true, want: reason.Silent, advice: reason.CheckAddress},
		{name: "withdrawn: another authority in answer to the browser", outcome: retried(measurement.Alert, with(measurement.Outcome{}, shown(true))), web: &wrong, withdrawn: true, want: reason.Alert, advice: reason.CheckAddress},
		{name: "withdrawn: another authority for the host in answer to the browser", outcome: retried(measurement.Alert, with(measurement.Outcome{}, shown(true))), web: &forHost, withdrawn: true, want: reason.WrongIssuer, device: reason.Alert},
		{name: "a retry that was not judged", outcome: retried(measurement.Reset, with(measurement.Outcome{}, shown(true))), web: nil, want: reason.Reset},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.outcome
			o.Address, o.Transport = netip.MustParseAddrPort("192.0.2.1:5684"), measurement.TCP
			if o.Client == "" {
				o.Client = measurement.Device
			}
			f := Walk(Evidence{Outcome: &o, Own: tt.own, Web: tt.web, CredentialConfigured: tt.credential, Withdrawn: tt.withdrawn})
			if tt.advice == "" {
				info := tt.want.Info()
				tt.advice = info.Advice
			}
			if f.Reason != tt.want || f.Advice != tt.advice || f.DeviceResult != tt.device {
				t.Fatalf("reason %q, advice %q, the device's hello %q, want %q, %q, %q", f.Reason, f.Advice, f.DeviceResult, tt.want, tt.advice, tt.device)
			}
			checkFinding(t, f)
			if f.Reason == reason.WrongIssuer && (f.Certificate.Issuer != seenName || f.Certificate.Expected != expected) {
				t.Errorf("certificate %+v", f.Certificate)
			}
			if decided := f.DeviceResult != ""; decided != (f.Client == measurement.Web && o.Client == measurement.Device) && f.Reason != reason.OK {
				t.Errorf("client %q, but the device's hello gave %q", f.Client, f.DeviceResult)
			}
		})
	}
}

func TestWalkFacts(t *testing.T) {
	silent := measurement.Outcome{
		Address: netip.MustParseAddrPort("[2001:db8::1]:5684"), Transport: measurement.UDP, Client: measurement.Device,
		Failure: measurement.Silent, FailedIn: measurement.Hello, Detail: measurement.Detail{Text: "as measured"},
	}
	if f := Walk(Evidence{Outcome: &silent}); f.Advice != reason.AllowOutbound || f.Detail.Text != "as measured" || f.Phase != measurement.Hello {
		t.Errorf("UDP: %+v", f)
	}
	closed := silent
	closed.Failure = measurement.Closed
	if f := Walk(Evidence{Outcome: &closed}); f.Advice != reason.StopFiltering {
		t.Errorf("UDP, ended by close_notify: %+v", f)
	}
	answered := silent
	answered.FirstReply = 20 * time.Millisecond
	if f := Walk(Evidence{Outcome: &answered}); f.Advice != reason.LetLargeDatagramsPass {
		t.Errorf("UDP, a datagram came back: %+v", f)
	}
	elsewhere := silent
	elsewhere.Transport, elsewhere.Web = measurement.TCP, &measurement.Outcome{Client: measurement.Web, TLS: shown(true)}
	tenant := judged(trust.WrongName)
	if f := Walk(Evidence{Outcome: &elsewhere, Web: &tenant}); f.Advice != reason.CheckAddress || f.Other.Subject != "CN=cloud" || f.Certificate != (report.Certificate{}) {
		t.Errorf("another site's server: %+v", f)
	}
	unrooted := judged(trust.Unrooted)
	complete := measurement.Outcome{Client: measurement.Web, Transport: measurement.TCP, TLS: shown(true)}
	if f := Walk(Evidence{Outcome: &complete, Own: unrooted}); f.Reason != reason.DeviceUnfit || f.Advice != reason.CompleteChain {
		t.Errorf("no chain: %+v", f)
	}
}

// TestEveryFailureIsMapped runs over the constants that package measurement declares: each failure, in each phase, has
// a reason, and only the two that tell nothing about the path give out_of_time.
func TestEveryFailureIsMapped(t *testing.T) {
	for _, failure := range closedlist.Constants(t, "../measurement", "Failure") {
		for _, phase := range measurement.Phases {
			o := measurement.Outcome{Failure: measurement.Failure(failure), FailedIn: phase, Transport: measurement.TCP, Client: measurement.Device}
			f := Walk(Evidence{Outcome: &o, CredentialConfigured: true})
			checkFinding(t, f)
			noVerdict := o.Failure == measurement.OutOfTime || o.Failure == measurement.Internal
			if got := f.Reason == reason.OutOfTime; got != (noVerdict && phase != measurement.Ping) {
				t.Errorf("%q in %s: reason %q", failure, phase, f.Reason)
			}
			if f.Reason == reason.OK && phase != measurement.Ping {
				t.Errorf("%q in %s carries a device", failure, phase)
			}
		}
	}
}

// TestEveryVerdictIsMapped runs over the verdicts that package trust declares.
func TestEveryVerdictIsMapped(t *testing.T) {
	for _, verdict := range closedlist.Constants(t, "../trust", "Verdict") {
		j := trust.Judgement{Seen: true, Verdict: trust.Verdict(verdict)}
		r := certificateReason(j, shown(false))
		if (r == reason.OK) != (j.Verdict == trust.Good) {
			t.Errorf("verdict %q: reason %q", verdict, r)
		}
	}
}

// checkFinding tests what holds for every finding.
func checkFinding(t *testing.T, f report.Finding) {
	t.Helper()
	if f.Reason == reason.OK {
		if f != (report.Finding{}) {
			t.Errorf("carries a device, but: %+v", f)
		}
		return
	}
	if f.Reason.Info() == (reason.Info{}) {
		t.Errorf("reason %q is not on the list", f.Reason)
	}
	if !slices.ContainsFunc(reason.Requests(), func(r reason.RequestInfo) bool { return slices.Contains(r.Advice, f.Advice) }) {
		t.Errorf("advice %q is not on the list", f.Advice)
	}
	for _, text := range []string{f.Detail.Text, f.Certificate.Issuer, f.Certificate.Subject, f.Certificate.Expected, f.Certificate.Detail.Text,
		f.Other.Issuer, f.Other.Subject, f.Other.Expected, f.Other.Detail.Text} {
		if text != measurement.Text(text) {
			t.Errorf("text %q is not safe to show", text)
		}
	}
}

// FuzzWalk runs every combination of failure, phase and verdict, with hostile texts.
func FuzzWalk(f *testing.F) {
	failures := []measurement.Failure{
		measurement.Completed, measurement.Refused, measurement.Unreachable, measurement.Reset, measurement.Closed, measurement.Silent,
		measurement.Alert, measurement.NotTLS, measurement.HTTP, measurement.Malformed, measurement.Unfit, measurement.FinishFailed,
		measurement.CertificateNeeded, measurement.OutOfTime, measurement.Internal,
	}
	verdicts := []trust.Verdict{
		trust.Good, trust.WrongIssuer, trust.ForgedIssuer, trust.KeyNotProved, trust.Expired, trust.NotYetValid, trust.WrongName, trust.Unrooted,
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
		checkFinding(t, Walk(Evidence{Outcome: o, Own: judgement(int(verdict)), Web: web, CredentialConfigured: flag(13), Withdrawn: flag(14)}))
	})
}

// TestEveryReasonIsGiven runs over the same constants in the other direction: a reason that no failure, no verdict and
// no look-up gives would be documented and never reported.
func TestEveryReasonIsGiven(t *testing.T) {
	given := map[reason.Reason]bool{
		DNSFinding(nil, "").Reason:                                 true,
		SinkholeFinding(netip.MustParseAddr("192.168.1.1")).Reason: true,
	}
	for _, failure := range closedlist.Constants(t, "../measurement", "Failure") {
		o := measurement.Outcome{Failure: measurement.Failure(failure), FailedIn: measurement.Hello, Transport: measurement.TCP, Client: measurement.Device}
		given[Walk(Evidence{Outcome: &o, Own: nothingSeen, CredentialConfigured: true}).Reason] = true
	}
	for _, verdict := range closedlist.Constants(t, "../trust", "Verdict") {
		given[certificateReason(judged(trust.Verdict(verdict)), shown(true))] = true
	}
	for _, info := range reason.All() {
		if !given[info.Reason] {
			t.Errorf("nothing gives the reason %s", info.Reason)
		}
	}
}
