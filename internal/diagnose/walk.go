package diagnose

import (
	"fmt"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// Context is what is known of a walk beside what it saw.
type Context struct {
	Service, Host string
	// CredentialConfigured: the client certificate is the site's own. The refusal of the throw-away pair made at start is
	// expected of a cloud that knows its devices, and is no failure.
	CredentialConfigured bool
}

// Walk diagnoses one walk. own judges what it saw itself; web, if the path was tried again with a web hello, what that
// one saw. The first line that applies decides:
//
//	another issuer, a forged one, a key not proved    seen by the walk itself, whatever failed later
//	expired, not yet valid, wrong name                the same
//	everything up to the session was reached          carries a device, whether or not the ping was answered
//	the device's hello failed, and the web hello met  a box that does not know the device's suite:
//	  one of the first line, or a page                that interception. Somebody of the public web who has
//	                                                  another name is none: the address may be theirs by now
//	what failed
//
// A failure of this machine itself (no socket, no memory) says as little of the path as a round that ended, so it has
// the same reason, out_of_time, the only one of the class survey; the summary tells them apart.
func Walk(o *measurement.Outcome, own trust.Judgement, web *trust.Judgement, about Context) Finding {
	w := walk{Outcome: o, about: about}
	if reason := verdictOf(own, o.TLS); reason != OK {
		return w.certificate(reason, own, "")
	}
	reason := w.failure(own)
	if o.Web == nil || ClassOf(reason) != ClassBlocked && ClassOf(reason) != ClassServer || reason == CertificateRefused {
		return w.finding(reason)
	}
	if o.Web.Failure == measurement.HTTP {
		page := *o
		page.Detail = o.Web.Detail
		w.Outcome = &page
		return w.finding(BlockPage)
	}
	if web != nil {
		if seen := verdictOf(*web, o.Web.TLS); ClassOf(seen) == ClassInterception {
			return w.certificate(seen, *web, "; "+w.seen(reason))
		}
		w.webPassed = web.Authentic && web.Verdict != trust.WrongName
		if web.Authentic && !w.webPassed {
			w.elsewhere = fmt.Sprintf("; a browser's hello meets %s, signed by %s, a certificate for other names",
				textOr(web.Subject, "an unnamed subject"), textOr(web.Issuer, "an unnamed issuer"))
		}
	}
	return w.finding(reason)
}

// verdictOf is the reason that a certificate alone gives; OK if there is none to give.
func verdictOf(j trust.Judgement, seen *measurement.TLS) Reason {
	if !j.Seen {
		return OK
	}
	switch j.Verdict {
	case trust.WrongIssuer:
		return WrongIssuer
	case trust.ForgedIssuer:
		return ForgedIssuer
	case trust.Unrooted, trust.Unfit:
		return DeviceUnfit
	case trust.KeyNotProved:
		if seen == nil || !seen.SignatureChecked {
			return OK // the flight was cut short: that says nothing about the holder
		}
		return KeyNotProved
	case trust.Expired:
		return Expired
	case trust.NotYetValid:
		return NotYetValid
	case trust.WrongName:
		return WrongName
	}
	return OK
}

// walk is an outcome being put into words.
type walk struct {
	*measurement.Outcome
	about     Context
	webPassed bool   // the web hello saw the expected authority where the device's hello failed
	elsewhere string // it saw somebody of the public web who has another name: whom
}

// failure maps what happened on the wire to a reason.
func (w *walk) failure(own trust.Judgement) Reason {
	if w.FailedIn == measurement.Ping {
		return OK // the session stood; a server may ignore strangers
	}
	switch w.Failure {
	case measurement.Completed:
		if !own.Seen || own.Verdict == trust.KeyNotProved {
			return DeviceUnfit // no certificate, or a signature that a device cannot check either
		}
		return OK
	case measurement.CertificateNeeded:
		if w.about.CredentialConfigured {
			return CertificateRefused
		}
		return OK
	case measurement.Refused:
		return Refused
	case measurement.Unreachable:
		return Unreachable
	case measurement.Reset:
		return Reset
	case measurement.Closed:
		return Closed
	case measurement.Silent:
		return Silent
	case measurement.Alert:
		return Alert
	case measurement.NotTLS, measurement.Malformed:
		return NotTLS
	case measurement.HTTP:
		return BlockPage
	case measurement.Unfit:
		return DeviceUnfit
	case measurement.FinishFailed:
		if w.TLS != nil && w.TLS.HasAlert {
			return Alert
		}
		return Closed
	}
	return OutOfTime // measurement.OutOfTime, measurement.Internal
}

// certificate words a finding about who signed, or about the certificate's dates and name.
func (w *walk) certificate(reason Reason, j trust.Judgement, also string) Finding {
	issuer, expected := textOr(j.Issuer, "an unnamed issuer"), textOr(j.Expected, "the expected authority")
	f := Finding{Reason: reason, Class: ClassOf(reason), Where: w.where()}
	switch reason {
	case WrongIssuer:
		f.Summary = fmt.Sprintf("signed by %s instead of %s", issuer, expected)
		f.Advice = fmt.Sprintf("Something between here and the cloud inspects TLS: devices expect %s to have signed, saw %s, and refuse it. "+
			"Ask the network's owner to exempt %s from TLS inspection.", expected, issuer, w.where())
	case ForgedIssuer:
		f.Summary = fmt.Sprintf("names %s as issuer, but the signature is not that authority's", issuer)
		f.Advice = fmt.Sprintf("Something between here and the cloud inspects TLS with a forged certificate: it copies the issuer's name, "+
			"but the signature is not that of %s, and devices refuse it. "+
			"Ask the network's owner to exempt %s from TLS inspection.", expected, w.where())
	case KeyNotProved:
		f.Summary = "shows the certificate of " + textOr(j.Subject, "an unnamed subject") + " without holding its key"
		f.Advice = fmt.Sprintf("Something between here and the cloud replays the cloud's certificate, signed by %s, but does not hold its key, "+
			"so devices refuse it. Ask the network's owner which box answers on %s, and to exempt it from TLS inspection.", issuer, w.where())
	case DeviceUnfit:
		if j.Verdict == trust.Unfit {
			f.Summary = strings.TrimSpace("the server's certificates cannot be used: " + strings.ReplaceAll(string(j.Detail.Kind), "_", " ") + " " + j.Detail.Text)
			f.Advice = w.advice(DeviceUnfit)
			break
		}
		f.Summary = fmt.Sprintf("signed by %s, from where no path leads to an authority known here", issuer)
		f.Advice = fmt.Sprintf("A certificate of the public web, but browsers cannot follow it to its authority. If one on this machine opens %s, "+
			"renew this machine's list of authorities (ca-certificates); else tell its operator that an intermediate certificate is missing on %s.",
			textOr(w.about.Host, "the host"), w.where())
	case Expired:
		f.Summary = textOr(prefixed("expired at ", j.Detail.Text), "the certificate has expired")
		f.Advice = fmt.Sprintf("The certificate on %s is out of date. First check this machine's clock; "+
			"if it is right, the cloud's operator must renew the certificate.", w.where())
	case NotYetValid:
		f.Summary = textOr(prefixed("valid from ", j.Detail.Text), "the certificate is not valid yet")
		f.Advice = fmt.Sprintf("The certificate on %s is not valid yet. First check this machine's clock; "+
			"if it is right, tell the cloud's operator.", w.where())
	case WrongName:
		f.Summary = textOr(prefixed("the certificate is not for ", j.Detail.Text), "the certificate is for another name")
		f.Advice = fmt.Sprintf("The expected authority signed the certificate on %s, but for another name. "+
			"Check that the name resolves to the right address; if it does, tell the cloud's operator.", w.where())
	}
	f.Summary += also
	return f
}

// finding words a failure.
func (w *walk) finding(reason Reason) Finding {
	if reason == OK {
		return Finding{}
	}
	f := Finding{Reason: reason, Class: ClassOf(reason), Summary: w.seen(reason) + w.elsewhere, Advice: w.advice(reason),
		SmallOnly: w.smallOnly(reason), Elsewhere: w.elsewhere != ""}
	if reason != OutOfTime {
		f.Where = w.where()
	}
	return f
}

// smallOnly reports whether something came back over UDP, but not all of what was due.
func (w *walk) smallOnly(reason Reason) bool {
	return reason == Silent && w.Transport == measurement.UDP && w.FailedIn == measurement.Hello && w.FirstReply > 0
}

// seen is one clause of what was seen.
func (w *walk) seen(reason Reason) string {
	var said string
	switch reason {
	case BlockPage:
		said = "an HTTP page answered instead of TLS"
	case Refused:
		said = "the connection was refused"
	case Reset:
		said = "the connection was cut after the " + w.sent()
	case Closed:
		said = "the connection was ended after the " + w.sent()
	case Silent:
		said = "nothing (or not all) came back after the " + w.sent()
	case Unreachable:
		said = "no connection"
	case Alert:
		said = "the server refused the " + w.sent() + " by a TLS alert"
	case NotTLS:
		said = "what answered the " + w.sent() + " is not proper " + w.protocol()
	case DeviceUnfit:
		said = "a device cannot take the server's answer"
	case CertificateRefused:
		said = "the server refused the configured client certificate"
	case OutOfTime:
		said = "the round ended first"
		if w.Failure == measurement.Internal {
			said = "this machine could not walk the path"
		}
	}
	detail := measurement.Text(w.Detail.Text)
	switch {
	case detail == "":
		return said
	case reason == OutOfTime && w.Failure != measurement.Internal:
		return detail // which says it better
	}
	return said + ": " + detail
}

// advice is what to do about a failure.
func (w *walk) advice(reason Reason) string {
	where := w.where()
	if w.elsewhere != "" {
		return fmt.Sprintf("At this address is somebody else's server, by its certificate. Check that the name resolves to the right address: "+
			"a DNS server that keeps old records leads there. If it does, ask the network's owner whether a proxy or a portal acts on %s.", where)
	}
	switch reason {
	case BlockPage:
		return fmt.Sprintf("A proxy or firewall answers in the cloud's place with a page of its own. "+
			"Ask the network's owner to let %s pass without a proxy and without TLS inspection.", where)
	case Refused:
		return fmt.Sprintf("A firewall rejects the connection, or nothing listens there. Ask the network's owner to allow %s outbound.", where)
	case Reset, Closed, Silent:
		switch {
		case w.FailedIn == measurement.Finish:
			return fmt.Sprintf("The server answered the hello, but the session was not let through to its end. "+
				"Ask the network's owner whether a firewall, or a limit on the size of packets, acts on %s.", where)
		case w.smallOnly(reason):
			return fmt.Sprintf("Small datagrams pass, large ones or their fragments are lost. Ask the network's owner to let fragments and datagrams "+
				"of the path's full size (MTU) through on %s, both ways, or set the devices to TCP.", where)
		case w.Transport == measurement.UDP:
			return fmt.Sprintf("A firewall drops the datagrams or their answers. Ask the network's owner to allow %s outbound, replies included, "+
				"or set the devices to TCP.", where)
		case w.webPassed:
			return fmt.Sprintf("A browser's hello gets through to the cloud where the device's does not, so a firewall filters by the hello's content. "+
				"Ask the network's owner to let %s pass unfiltered.", where)
		}
		return fmt.Sprintf("The connection opens, but a firewall stops the TLS handshake. "+
			"Ask the network's owner to exempt %s from TLS inspection and application filtering.", where)
	case Unreachable:
		return fmt.Sprintf("A firewall drops the packets, or there is no route. Ask the network's owner to allow %s outbound.", where)
	case Alert:
		if w.webPassed {
			return fmt.Sprintf("The cloud takes a browser's hello but not the device's. If devices elsewhere connect, ask the network's owner "+
				"whether a firewall acts on %s; if none does, tell the cloud's operator.", where)
		}
		return fmt.Sprintf("Whatever answers refuses the handshake. Ask the network's owner whether a firewall or proxy acts on %s; "+
			"if none does, tell the cloud's operator.", where)
	case NotTLS:
		return fmt.Sprintf("Something else than the cloud answers, or its answer is altered on the way. "+
			"Ask the network's owner what acts on %s; if nothing does, tell the cloud's operator.", where)
	case DeviceUnfit:
		return fmt.Sprintf("The server answers, but not in a way that a device can use. "+
			"Send this finding to the cloud's operator: the answer on %s must be one that devices can take.", where)
	case CertificateRefused:
		return fmt.Sprintf("Check that the certificate in client_certificate is valid and known to the cloud, "+
			"which refused it on %s.", where)
	case OutOfTime:
		if w.Failure == measurement.Internal {
			return "This machine could not walk the path, which says nothing about the path itself. Look for a want of sockets, memory or routes on the machine of the exporter."
		}
		return "The round ended too soon, which says nothing about the path. Raise survey.timeout and the scrape's timeout, or watch fewer hosts with this exporter."
	}
	return ""
}

// where names port, host and address, as a firewall's owner needs them: "TCP 5684 to lwm2m.example.com (192.0.2.1)".
func (w *walk) where() string {
	host, addr := textOr(w.about.Host, "the host"), w.Address.Addr()
	where := portName(w.Transport, w.Address.Port()) + " to " + host
	if addr.IsValid() && host != addr.String() {
		where += " (" + measurement.Text(addr.String()) + ")"
	}
	return where
}

// sent names what the failure answered.
func (w *walk) sent() string {
	switch {
	case w.FailedIn == measurement.Finish:
		return "client's part of the handshake"
	case w.Client == measurement.Web:
		return "browser's hello"
	}
	return "device's hello"
}

func (w *walk) protocol() string {
	if w.Transport == measurement.UDP {
		return "DTLS"
	}
	return "TLS"
}

// portName is "TCP 5684".
func portName(t measurement.Transport, port uint16) string {
	return fmt.Sprintf("%s %d", strings.ToUpper(measurement.Text(string(t))), port)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// textOr makes a text safe to show and replaces an empty one.
func textOr(s, empty string) string {
	if s = measurement.Text(s); s == "" {
		return empty
	}
	return s
}
