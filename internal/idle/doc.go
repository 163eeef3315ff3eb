// Package idle measures how long a silent connection survives the way to an endpoint. NATs and firewalls forget
// connections that nothing passes over (RFC 4787 and RFC 5382 say when they may; many forget sooner), and a device whose
// keepalive speaks later than that is cut off without noticing.
//
// # What is measured
//
// For each step (30 s … 540 s) a connection of its own is opened, left silent for so long, and then asked for a sign of
// life. What counts as one is found out first, on a connection without a silence ([Proof]):
//
//	finished session + CoAP ping   answered before the silence and after it; the only proof over UDP
//	hello after the silence        TCP only: connected, silent, then the device's hello is answered as it was without a silence
//	neither                        unknown, and why
//
// How a connection ended is told apart ([Ending]): answered; dropped without a word; reset; closed by the server itself,
// whose limit then hides what the path would have done. A loss is held against a fresh connection at once: if that fails
// too, the path is down and nothing has been learned. The shortest loss is measured again until two agree on the silence
// before it, since a server that was restarted looks like a NAT that forgot. Ends at one moment after different silences
// are one event of the server or of the path, and no idle time.
//
// Of whoever intercepts a connection nothing is measured ([Foreign]): its idle times are not the path's.
//
// # What it means
//
// [Judge] turns what was seen into bounds, not into one number: between the longest silence survived and the shortest lost
// nothing is known. Survival means that a device that speaks after the silence is answered. Whether the cloud could
// have reached the device during the silence is another matter: a NAT that kept the port, or a server that knows the
// session by its connection id (RFC 9146), takes up a forgotten connection as if nothing had been.
//
// # How
//
// A [Round] measures one path; the endpoint_exporter idle command runs one by hand. A [Manager] runs rounds in the background,
// never inside a scrape, and answers a survey's question for bounds from what it knows.
package idle
