package present

import "github.com/endpoint-exporter/endpoint_exporter/internal/report"

// IdleText words how long a silent connection survives.
func IdleText(b *report.IdleBounds) string { return text(b.Why) }
