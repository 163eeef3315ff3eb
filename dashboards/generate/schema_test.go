package main

import (
	"errors"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	sdk "github.com/grafana/grafana-foundation-sdk/go/dashboard"
	sdkprometheus "github.com/grafana/grafana-foundation-sdk/go/prometheus"
	sdkstat "github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	sdktable "github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/text"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// TestSchema decodes the dashboards strictly with Grafana's own types: an unknown or misspelled field, a wrong type
// and a missing required field are errors, in panels, their options, their queries and the variables.
func TestSchema(t *testing.T) {
	for _, config := range []variants.PanelcfgConfig{
		bargauge.VariantConfig(), sdkstat.VariantConfig(), statetimeline.VariantConfig(), sdktable.VariantConfig(), text.VariantConfig(), timeseries.VariantConfig(),
	} {
		cog.NewRuntime().RegisterPanelcfgVariant(config)
	}
	cog.NewRuntime().RegisterDataqueryVariant(sdkprometheus.VariantConfig())
	files, err := dashboards()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		var d sdk.Dashboard //nolint:staticcheck // file provisioning takes this form too, and every Grafana reads it
		err := d.UnmarshalJSONStrict(content)
		if faults := (cog.BuildErrors)(nil); errors.As(err, &faults) && len(faults) == 0 {
			continue // an empty list stands for success
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
