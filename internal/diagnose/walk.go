package diagnose

import (
	"fmt"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// Evidence is what [Walk] judges.
type Evidence struct {
	Outcome *measurement.Outcome
	Own     trust.Judgement  // on the certificate that the walk itself saw
	Web     *trust.Judgement // on the one that the browser's hello saw; nil if none was sent after the device's failed
	// CredentialConfigured tells that the client certificate is the site's own: that a session with the temporary
	// certificate made at start is not completed is not a failure.
	CredentialConfigured bool
	// Withdrawn tells that the host's zone no longer lists the address, which may have another owner by now.
	Withdrawn bool
}

// Walk diagnoses one walk.
//
// The first line that applies decides:
//
//   - another issuer, a forged one, or a key not proved, seen by the walk itself, whatever failed later;
//   - expired, not yet valid, or another name, seen by the walk itself;
//   - the session was completed as far as asked for: the path carries a device, with or without an answer to the ping;
//   - the device's hello failed, and the browser's hello got an HTTP page, or a certificate of the first line: a box
//     that does not know the device's cipher suite. A certificate of the public web for other names is not one: the
//     address may belong to another site by now;
//   - the failure on the wire.
//
// At a withdrawn address, a page and a certificate that its present owner can have do not prove interception.
//
// A session that ended in doubt ([measurement.Outcome.Unproven]) after the temporary certificate is not a failure yet:
// see [SettleDoubt]. After the site's own certificate it is one, because a device with that certificate gets no
// further either.
//
// A failure of this machine (no socket, no memory) has the same reason as a round that ended, reason.OutOfTime, because
// nothing is known about the path either; the kind of advice differs.
func Walk(e Evidence) report.Finding {
	o, web := e.Outcome, e.Web
	base := failureOf(o)
	if r := certificateReason(e.Own, o.TLS); r != reason.OK {
		if r.Class() == reason.Interception && !e.Own.ProvesInterception(e.Withdrawn) {
			return otherOwner(base, reason.DeviceUnfit, certificateOf(e.Own))
		}
		return withCertificate(base, r, e.Own)
	}
	r := wireReason(o, e.Own, e.CredentialConfigured)
	switch {
	case r == reason.OK:
		return report.Finding{}
	case r == reason.BlockPage && e.Withdrawn:
		return otherOwner(base, reason.NotTLS, report.Certificate{})
	}
	f := base
	f.Reason, f.Advice = r, wireAdvice(o, r)
	if o.Web == nil || r.Class() != reason.Blocked && r.Class() != reason.Server || r == reason.CertificateRefused {
		return f
	}
	if o.Web.Failure == measurement.HTTP {
		if e.Withdrawn {
			return otherOwner(base, r, report.Certificate{})
		}
		page := failureOf(o.Web)
		page.Reason, page.Advice = reason.BlockPage, reason.BlockPage.Info().Advice
		page.Client, page.Transport, page.DeviceResult = measurement.Web, o.Transport, r
		return page
	}
	if web == nil {
		return f
	}
	if seen := certificateReason(*web, o.Web.TLS); seen.Class() == reason.Interception {
		if !web.ProvesInterception(e.Withdrawn) {
			return otherOwner(base, r, certificateOf(*web))
		}
		f = withCertificate(base, seen, *web)
		f.Client, f.DeviceResult = measurement.Web, r
		return f
	}
	switch {
	case web.Authentic && web.Verdict == trust.WrongName:
		f.Advice, f.Other = reason.CheckAddress, certificateOf(*web)
	case web.Authentic && r == reason.Alert:
		f.Advice = reason.AskAboutDeviceAlert
	case web.Authentic && f.Advice == reason.StopFiltering:
		f.Advice = reason.StopHelloFiltering
	}
	return f
}

// failureOf is what a finding states of a failure on the wire, without a reason.
func failureOf(o *measurement.Outcome) report.Finding {
	f := report.Finding{Phase: o.FailedIn, Detail: o.Detail, Client: o.Client, Transport: o.Transport}
	f.Detail.Text = measurement.Text(o.Detail.Text)
	return f
}

// otherOwner is the finding that another owner's server answers at a withdrawn address. other is its certificate, the
// zero value if it showed none.
func otherOwner(base report.Finding, r reason.Reason, other report.Certificate) report.Finding {
	base.Reason, base.Advice, base.Other = r, reason.CheckAddress, other
	return base
}

// withCertificate is a finding that a certificate decides.
func withCertificate(base report.Finding, r reason.Reason, j trust.Judgement) report.Finding {
	base.Reason, base.Advice, base.Certificate = r, r.Info().Advice, certificateOf(j)
	if j.Verdict == trust.Unrooted {
		base.Advice = reason.CompleteChain
	}
	return base
}

func certificateOf(j trust.Judgement) report.Certificate {
	c := report.Certificate{
		Issuer: measurement.Text(j.Issuer), Subject: measurement.Text(j.Subject), Expected: measurement.Text(j.Expected), Detail: j.Detail,
	}
	c.Detail.Text = measurement.Text(j.Detail.Text)
	return c
}

// certificateReason is the reason that a certificate by itself gives; OK if it gives none.
func certificateReason(j trust.Judgement, seen *measurement.TLS) reason.Reason {
	if !j.Seen {
		return reason.OK
	}
	switch j.Verdict {
	case trust.Good:
		return reason.OK
	case trust.WrongIssuer:
		return reason.WrongIssuer
	case trust.ForgedIssuer:
		return reason.ForgedIssuer
	case trust.Unrooted, trust.Unfit:
		return reason.DeviceUnfit
	case trust.KeyNotProved:
		if seen == nil || !seen.SignatureChecked {
			return reason.OK // the flight was cut short, which proves nothing about the server's key
		}
		return reason.KeyNotProved
	case trust.Expired:
		return reason.Expired
	case trust.NotYetValid:
		return reason.NotYetValid
	case trust.WrongName:
		return reason.WrongName
	}
	panic(fmt.Sprintf("diagnose: the certificate verdict %q has no reason", j.Verdict))
}

// wireReason maps what happened on the wire to a reason. Every value of measurement.Failure stands in it: a failure
// without a case would otherwise become a verdict that nothing supports.
func wireReason(o *measurement.Outcome, own trust.Judgement, credentialConfigured bool) reason.Reason {
	if o.FailedIn == measurement.Ping {
		return reason.OK // the session was established; a server may ignore the ping of an unregistered client
	}
	switch o.Failure {
	case measurement.Completed:
		if !own.Seen || own.Verdict == trust.KeyNotProved {
			return reason.DeviceUnfit // no certificate, or a signature that a device cannot check either
		}
		return reason.OK
	case measurement.CertificateNeeded:
		switch {
		case !credentialConfigured:
			return reason.OK
		case o.Unproven:
			return endReason(o)
		}
		return reason.CertificateRefused
	case measurement.Refused:
		return reason.Refused
	case measurement.Unreachable:
		return reason.Unreachable
	case measurement.Reset:
		return reason.Reset
	case measurement.Closed:
		return reason.Closed
	case measurement.Silent:
		return reason.Silent
	case measurement.Alert:
		return reason.Alert
	case measurement.NotTLS, measurement.Malformed:
		return reason.NotTLS
	case measurement.HTTP:
		return reason.BlockPage
	case measurement.Unfit:
		return reason.DeviceUnfit
	case measurement.FinishFailed:
		if o.TLS != nil && o.TLS.HasAlert {
			return reason.Alert
		}
		return reason.Closed
	case measurement.OutOfTime, measurement.Internal:
		return reason.OutOfTime
	}
	panic(fmt.Sprintf("diagnose: the failure %q has no reason", o.Failure))
}

// wireAdvice is the kind of advice that the facts of a walk ask for, where it is not the one of the reason's record.
func wireAdvice(o *measurement.Outcome, r reason.Reason) reason.Advice {
	switch {
	case o.Failure == measurement.Internal, o.Detail.Kind == measurement.DetailSuspended:
		return reason.CheckThisMachine
	case o.Detail.Kind == measurement.DetailHTTPServer:
		return reason.CheckServer
	case o.Detail.Kind == measurement.DetailSegmentsLost:
		return reason.LetLargePacketsPass
	case o.Detail.Kind == measurement.DetailIDRecordsLost:
		return reason.LetIDRecordsPass
	case o.Unproven:
		return reason.CheckCertificateThenFirewall
	case r.Class() == reason.Blocked && o.FailedIn == measurement.Finish:
		return reason.LetSessionFinish // the port is open, and the server's whole flight passed
	case r == reason.Silent && o.Transport == measurement.UDP && o.FailedIn == measurement.Hello && o.FirstReply > 0:
		return reason.LetLargeDatagramsPass // a datagram came back, but not the whole server flight
	case r == reason.Silent && o.Transport == measurement.UDP:
		return reason.AllowOutbound
	}
	return r.Info().Advice
}
