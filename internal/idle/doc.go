// Package idle measures how long a silent connection survives the path to an endpoint. NATs and firewalls expire
// connections without traffic (RFC 4787 and RFC 5382 set minimum timeouts; many are shorter), and a device whose
// keepalive interval is longer than the timeout loses its connection without noticing.
//
// # What is measured
//
// For each step (30 s … 540 s) a connection is opened, left silent for that long, and then tested. What proves that
// it is alive is found out first, on a connection without a silence ([report.IdleProof]):
//
//	session + CoAP ping       answered before and after the silence; the only proof over UDP
//	hello after the silence   TCP only: connected, silent, then the device's hello is answered as before
//	neither                   unknown, with the reason
//
// The ending of a connection is one of [report.IdleEnding]: answered, dropped silently, reset, or closed by the
// server, whose limit then hides what the path would have done. After a loss a fresh connection is opened at once: if
// it fails too, the path is down and the observation is discarded. The shortest loss is repeated until two agree on
// the silence before it, since a restarted server looks like a NAT that expired the connection. Connections that end
// at one moment after different silences are one event of the server or of the path, not an idle timeout.
//
// Nothing is measured while an interceptor answers ([Foreign]): its timeouts are not those of the path.
//
// # What it means
//
// [Judge] derives bounds from the observations, not one number: between the longest silence survived and the shortest
// lost nothing is known. Survival means that a device that sends after the silence is answered. It does not mean that
// the cloud could have reached the device during the silence: a NAT that reuses the port, or a server that identifies
// the session by its connection id (RFC 9146), continues an expired connection.
//
// # How
//
// A [Round] measures one path; the command endpoint_exporter idle runs one. A [Manager] runs rounds in the
// background, never inside a scrape, and provides the bounds of each path. All results are facts; package present
// words them.
package idle
