package present

import "github.com/endpoint-exporter/endpoint_exporter/internal/staleness"

// StalenessText words what a verdict on a resolver rests on, or why there is none.
func StalenessText(a *staleness.Assessment) string { return text(a.Why) }
