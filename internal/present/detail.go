package present

import "github.com/endpoint-exporter/endpoint_exporter/internal/measurement"

// detailText words what is known about a failure besides its kind.
func detailText(d measurement.Detail) string { return text(d.Text) }
