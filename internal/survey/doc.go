// Package survey runs rounds: it plans (pure), resolves every host at every resolver, walks every path under one
// deadline and one cap, has the results judged, remembers what must outlive a round, and yields one immutable [report.Report].
package survey
