// Package lab is a simulated cloud on loopback with the faults that sites inflict on it. Tests drive the whole exporter
// against it, and cmd/endpoint_lab runs it as a program for demos and drills.
//
// # What is in it
//
//   - [Mint] issues certificates: look-alikes of the two ARM authorities, a web authority, an interceptor.
//   - [DeviceServer] speaks what the device port speaks: TLS 1.2 with 0xC0AE alone, a client certificate demanded, the
//     handshake finished, CoAP pings answered. [DTLSServer] is the same over UDP, [WebServer] a web host.
//   - A front per path stands where a firewall would: it accepts what the client sends and lets it through, or inflicts
//     one of [Faults], switched while running.
//   - [NameServer] and [Resolver] answer DNS from a script and a clock, with or without sockets.
//   - Two of the faults are a NAT that forgets connections which were silent for too long.
//   - [Start] wires all of it into a copy of the seven hosts, on addresses and ports of its own.
//
// Nothing here is used by the exporter itself. The cryptography is that of crypto/… and pion/dtls.
package lab
