// Package lab is a simulated cloud with the faults that occur at sites. Tests run the whole exporter against it, and
// cmd/endpoint_lab runs it as a program for demos and drills.
//
// # What is in it
//
//   - [Mint] issues certificates: look-alikes of the two ARM authorities, a web authority, an interceptor.
//   - [DeviceServer] is the device port: TLS 1.2 with the one suite 0xC0AE. It requires a client certificate, finishes
//     the handshake and answers CoAP pings. [DTLSServer] is the same over UDP, [WebServer] a web host.
//   - Each path has a front in the place of a firewall: it passes the client's packets, or inflicts one of [Faults],
//     which can change while it runs.
//   - [NameServer] and [Resolver] answer DNS from a script and a clock, with or without sockets.
//   - Two of the faults are a NAT with an idle timeout.
//   - [Start] builds a copy of the seven hosts from these parts. It listens on loopback, or with Options.Network on a
//     network in memory (package memnet), so that tests run in virtual time.
//
// Nothing here is used by the exporter itself. The cryptography is that of crypto/… and pion/dtls.
package lab
