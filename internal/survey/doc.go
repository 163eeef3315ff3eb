// Package survey makes rounds: a round resolves one host at every resolver, walks every path to its addresses under
// one deadline and one cap, judges the results, and counts them. [Survey.Run] combines the rounds of all hosts to one
// [report.Report].
//
// Rounds are shared (package share): callers that come closer together than survey.min_interval get the same rounds.
// A round has its own deadline and does not end when its callers leave; a caller with less time gets what is known by
// then. See docs/design/003-rounds-at-scrape-time.md.
package survey
