// Package mixin has only tests of mixin.libsonnet.
package mixin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-jsonnet"
	"go.yaml.in/yaml/v3"
)

type rule = map[string]any

// render evaluates an expression on the mixin, which it calls mixin.
func render(t *testing.T, expression string, into any) {
	t.Helper()
	out, err := jsonnet.MakeVM().EvaluateAnonymousSnippet("test.jsonnet", "local mixin = import 'mixin.libsonnet'; "+expression)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatal(err)
	}
}

type rules struct {
	Groups []struct {
		Name, Interval string
		Rules          []rule
	}
}

// committed reads the rules as the mixin must give them.
func committed(t *testing.T) rules {
	t.Helper()
	text, err := os.ReadFile("../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var out rules
	if err := yaml.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	// The same types as those of the JSON that jsonnet writes.
	again, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	out = rules{}
	if err := json.Unmarshal(again, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMixinHasAllRules(t *testing.T) {
	var got rules
	render(t, "{ groups: mixin.prometheusRules.groups + mixin.prometheusAlerts.groups }", &got)
	if want := committed(t); !reflect.DeepEqual(got, want) {
		t.Errorf("the mixin has other rules than endpoint.rules.yml, or in another order: %d groups, want %d", len(got.Groups), len(want.Groups))
	}
}

func TestMixinConfig(t *testing.T) {
	var got rules
	render(t, "(mixin { _config+:: { alertLabels: { team: 'field' }, omitAlerts: ['EndpointHandshakeSlow'] } }).prometheusAlerts", &got)
	want, alerts := 0, 0
	for _, g := range committed(t).Groups {
		for _, r := range g.Rules {
			if r["alert"] != nil && r["alert"] != "EndpointHandshakeSlow" {
				want++
			}
		}
	}
	for _, g := range got.Groups {
		for _, r := range g.Rules {
			if r["alert"] == nil {
				continue
			}
			alerts++
			labels, _ := r["labels"].(map[string]any)
			if labels["team"] != "field" || labels["severity"] == nil || r["alert"] == "EndpointHandshakeSlow" {
				t.Errorf("%v: labels %v", r["alert"], labels)
			}
		}
	}
	if alerts != want || alerts == 0 {
		t.Errorf("%d alerts, want %d", alerts, want)
	}
}

func TestMixinHasAllDashboards(t *testing.T) {
	files, err := filepath.Glob("../dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]map[string]any)
	render(t, "mixin.grafanaDashboards", &got)
	if len(got) != len(files) || len(files) == 0 {
		t.Errorf("%d dashboards, want %d", len(got), len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got[filepath.Base(file)], want) {
			t.Errorf("%s differs in the mixin", filepath.Base(file))
		}
	}
	got = nil
	render(t, "(mixin { _config+:: { omitDashboards: ['exporter.json'], dashboardTags: ['field'] } }).grafanaDashboards", &got)
	if _, ok := got["exporter.json"]; ok || len(got) != len(files)-1 {
		t.Errorf("exporter.json is not left out")
	}
	tags, err := json.Marshal(got["overview.json"]["tags"])
	if err != nil || !strings.HasSuffix(string(tags), `"field"]`) {
		t.Errorf("tags %s, %v", tags, err)
	}
}
