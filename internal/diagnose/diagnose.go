// Package diagnose turns measurements into findings: one reason of the closed list of package reason, a kind of advice,
// and the facts that package present needs to word both. It is pure, and it builds no text.
//
// [Walk] judges one path to one address. The other functions that return a finding judge a path that could not be
// probed at all. [Summarize] judges a whole report: what each cause explains, what to do about it, and the state of the
// site.
//
// A finding of class interception needs proof: an issuer that is not the expected one, a server that did not sign with
// the certificate's key, an HTTP response to a TLS hello, or an address that cannot be the cloud.
package diagnose
