// Package alerts has only tests: of the rules, the example of routes, and the runbooks.
package alerts

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	rulesFile = "endpoint.rules.yml"
	runbooks  = "../docs/runbooks.md"
)

// annotations are those of every alert, sorted.
var annotations = []string{"dashboard_url", "description", "runbook_url", "summary"}

// group and rule are the fields that a rules file can have.
type group struct {
	Name     string
	Interval model.Duration
	Rules    []rule
}

type rule struct {
	Record, Alert, Expr string
	For                 model.Duration
	KeepFiringFor       model.Duration `yaml:"keep_firing_for"`
	Labels, Annotations map[string]string
}

func readGroups(t *testing.T) []group {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []group }
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	return file.Groups
}

// readAlerts returns the alerts by name. An alert whose severity a threshold chooses is two rules that differ in their
// severity and in the threshold's value; the first of them, which is in force by default, is returned.
func readAlerts(t *testing.T) map[string]rule {
	t.Helper()
	all := make(map[string]rule)
	for _, g := range readGroups(t) {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			if first, twice := all[r.Alert]; twice {
				first.Expr = strings.Replace(first.Expr, "_is_critical) == 0", "_is_critical) == 1", 1)
				first.Labels = map[string]string{"severity": "critical", "scope": first.Labels["scope"]}
				if !reflect.DeepEqual(first, r) {
					t.Errorf("%s: the second rule differs from the first in more than its severity and the threshold's value", r.Alert)
				}
				continue
			}
			all[r.Alert] = r
		}
	}
	return all
}

// faults lists the names of the faults: values of the label fault that the rules of endpoint:fault set.
func faults(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, g := range readGroups(t) {
		for _, r := range g.Rules {
			if r.Record == "endpoint:fault" {
				out = append(out, r.Labels["fault"])
			}
		}
	}
	return out
}

// TestAlerts lists the alerts with their severities: public names, which routes, dashboards and runbooks use.
func TestAlerts(t *testing.T) {
	want := map[string]string{
		"EndpointInterceptedAtManySites":       "critical fleet",
		"EndpointUnreachableAtManySites":       "critical fleet",
		"EndpointDnsStaleAtManySites":          "critical fleet",
		"EndpointCertificateExpired":           "critical fleet",
		"EndpointIntercepted":                  "critical site",
		"EndpointUnreachable":                  "critical site",
		"EndpointDnsStale":                     "critical site",
		"EndpointSiteSilentAtManySites":        "warning fleet",
		"EndpointWarningAtManySites":           "warning fleet",
		"EndpointCertificateExpiresSoon":       "warning fleet",
		"EndpointSiteSilent":                   "warning site",
		"EndpointExporterAbsent":               "warning site",
		"EndpointExporterCutOff":               "warning site",
		"EndpointHostUnwatched":                "warning site",
		"EndpointHostWithoutVerdict":           "warning site",
		"EndpointHostNotReached":               "warning site",
		"EndpointPathBlocked":                  "warning site",
		"EndpointPathAvailabilityLow":          "warning site",
		"EndpointPathUnproven":                 "warning site",
		"EndpointAddressFails":                 "warning site",
		"EndpointHandshakeSlow":                "warning site",
		"EndpointIdleTimeShorterThanKeepalive": "warning site",
		"EndpointResolverKeepsRecordsTooLong":  "warning site",
		"EndpointResolverFails":                "warning site",
		"EndpointResolverAvailabilityLow":      "warning site",
		"EndpointStalenessUnwatched":           "warning site",
		"EndpointSurveyIncomplete":             "warning site",
		"EndpointExporterClockWrong":           "warning site",
		"EndpointConfigReloadFailed":           "warning site",
		"EndpointSessionsUnproven":             "info fleet",
	}
	for name, r := range readAlerts(t) {
		if got := r.Labels["severity"] + " " + r.Labels["scope"]; got != want[name] || len(r.Labels) != 2 {
			t.Errorf("%s: %v, want %q", name, r.Labels, want[name])
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("no alert %s", name)
	}
}

// link is the part of an annotation that takes the address from the one place where it is configured.
func link(name string) string {
	return `{{ with query "endpoint:links" }}{{ . | first | label "` + name + `" }}{{ end }}`
}

func TestAnnotations(t *testing.T) {
	camelCase := regexp.MustCompile(`^Endpoint([A-Z][a-z]+)+$`)
	for name, r := range readAlerts(t) {
		if !camelCase.MatchString(name) {
			t.Errorf("%s is not CamelCase after Endpoint", name)
		}
		if got := slices.Sorted(maps.Keys(r.Annotations)); !slices.Equal(got, annotations) {
			t.Errorf("%s has the annotations %q, want %q", name, got, annotations)
		}
		if s := r.Annotations["summary"]; s == "" || strings.Contains(s, "{{") || strings.HasSuffix(s, ".") || strings.Contains(s, "\n") {
			t.Errorf("%s: the summary is one clause without a template: %q", name, s)
		}
		d := r.Annotations["description"]
		if !strings.Contains(d, "{{") || !strings.HasSuffix(d, ".") {
			t.Errorf("%s: the description names what it is about, in whole sentences: %q", name, d)
		}
		if r.Labels["scope"] == "site" && !strings.Contains(d, "or $labels.site $externalLabels.site $labels.instance") {
			t.Errorf("%s: the description does not name the site by label, external label or instance", name)
		}
		anchor := strings.ToLower(name)
		if name == "EndpointWarningAtManySites" {
			anchor = "{{ toLower $labels.fault }}"
		}
		if got, want := r.Annotations["runbook_url"], link("runbooks")+"#"+anchor; got != want {
			t.Errorf("%s: runbook_url %s, want %s", name, got, want)
		}
		if got := r.Annotations["dashboard_url"]; !strings.HasPrefix(got, link("dashboards")+"/d/endpoint-") {
			t.Errorf("%s: dashboard_url %s", name, got)
		}
	}
}

// TestDashboardLinks tests that the dashboards to which alerts link exist.
func TestDashboardLinks(t *testing.T) {
	uids := make(map[string]bool)
	for _, file := range []string{"overview", "endpoint", "exporter"} {
		text, err := os.ReadFile("../dashboards/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct{ UID string }
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatal(err)
		}
		uids[dashboard.UID] = true
	}
	for name, r := range readAlerts(t) {
		m := regexp.MustCompile(`/d/([\w-]+)`).FindStringSubmatch(r.Annotations["dashboard_url"])
		if m == nil || !uids[m[1]] {
			t.Errorf("%s links to no dashboard: %s", name, r.Annotations["dashboard_url"])
		}
	}
}

// TestThresholds tests that every number that decides is a threshold of the first group, which an override replaces.
func TestThresholds(t *testing.T) {
	groups := readGroups(t)
	recorded := make(map[string]bool)
	for _, r := range groups[0].Rules {
		name, ok := strings.CutPrefix(r.Record, "endpoint:threshold:")
		if r.Record == "endpoint:links" {
			continue
		}
		if !ok || !strings.HasPrefix(r.Expr, "max(endpoint:override:"+name+") or on () vector(") {
			t.Errorf("%s: %s is not a threshold with an override", groups[0].Name, r.Record)
		}
		recorded[r.Record] = false
	}
	used := regexp.MustCompile(`endpoint:threshold:\w+`)
	number := regexp.MustCompile(`(?:[<>]=?|[*])\s*(?:bool\s+)?(\d[\d.]*)`)
	for _, g := range groups[1:] {
		for _, r := range g.Rules {
			for _, name := range used.FindAllString(r.Expr, -1) {
				if _, known := recorded[name]; !known {
					t.Errorf("%s%s uses %s, which is not recorded", r.Record, r.Alert, name)
				}
				recorded[name] = true
			}
			for _, m := range number.FindAllStringSubmatch(r.Expr, -1) {
				// 24 medians are the two hours of history that the comment there names.
				if m[1] != "0" && r.Record != "endpoint:handshake_seconds:past1d" {
					t.Errorf("%s%s compares with %s, which is not a threshold", r.Record, r.Alert, m[1])
				}
			}
		}
	}
	for name, ok := range recorded {
		if !ok {
			t.Errorf("no rule uses %s", name)
		}
	}
}

// TestOverrideExample tests that the example overrides every threshold, each with its default, and the links.
func TestOverrideExample(t *testing.T) {
	want := make(map[string]string)
	for _, r := range readGroups(t)[0].Rules {
		if name, ok := strings.CutPrefix(r.Record, "endpoint:threshold:"); ok {
			_, value, _ := strings.Cut(r.Expr, " or on () ")
			want["endpoint:override:"+name] = value
		}
	}
	text, err := os.ReadFile("endpoint.override.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile(`(?m)^( *)# ?( *(?:- record|expr|labels|runbooks|dashboards): )`).ReplaceAll(text, []byte("$1$2"))
	var file struct{ Groups []group }
	if err := yaml.Unmarshal(example, &file); err != nil {
		t.Fatalf("%v\n%s", err, example)
	}
	for _, r := range file.Groups[0].Rules {
		if r.Record == "endpoint:override:links" {
			if r.Expr != "vector(1)" || r.Labels["runbooks"] == "" || r.Labels["dashboards"] == "" {
				t.Errorf("the links of the example: %+v", r)
			}
			continue
		}
		if r.Expr != want[r.Record] {
			t.Errorf("%s is %s by default, in the example %s", r.Record, want[r.Record], r.Expr)
		}
		delete(want, r.Record)
	}
	for name := range want {
		t.Errorf("the example does not show %s", name)
	}
}

// TestThresholdsAreDocumented tests that docs/alerts.md lists every threshold with its default.
func TestThresholdsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readGroups(t)[0].Rules {
		name, ok := strings.CutPrefix(r.Record, "endpoint:threshold:")
		_, value, _ := strings.Cut(r.Expr, " or on () vector(")
		if row := "\n| `" + name + "` | `" + strings.TrimSuffix(value, ")") + "` |"; ok && !bytes.Contains(text, []byte(row)) {
			t.Errorf("docs/alerts.md has no row %s", row)
		}
	}
}

// TestFaults tests that each fault has an alert of its name for a single site, and one for many sites.
func TestFaults(t *testing.T) {
	all := readAlerts(t)
	seen := make(map[string]bool)
	for _, fault := range faults(t) {
		seen[fault] = true
		if r, ok := all[fault]; !ok || !strings.Contains(r.Expr, `endpoint:fault:single{fault="`+fault+`"}`) {
			t.Errorf("no alert for the fault %s of a single site", fault)
		}
		many, ok := all[fault+"AtManySites"]
		if !ok {
			many = all["EndpointWarningAtManySites"]
		}
		if by := strings.Contains(many.Expr, `"`+fault+`"`); by != ok && !strings.Contains(many.Expr, "|"+fault) {
			t.Errorf("%s selects %s: %v", many.Alert, fault, by)
		}
	}
	for name, r := range all {
		if r.Labels["scope"] == "site" && !seen[name] {
			t.Errorf("%s is of a site, and is not a fault", name)
		}
		if base, ok := strings.CutSuffix(name, "AtManySites"); ok && !seen[base] && name != "EndpointWarningAtManySites" {
			t.Errorf("%s has no fault of a single site", name)
		}
	}
}

// TestAlertsWait tests that no alert of a site fires at the first evaluation, and that none ends with the first good
// round.
func TestAlertsWait(t *testing.T) {
	for name, r := range readAlerts(t) {
		if r.KeepFiringFor == 0 {
			t.Errorf("%s ends with the first good round", name)
		}
		if r.Labels["scope"] == "site" && r.For == 0 {
			t.Errorf("%s fires at the first evaluation", name)
		}
		// The members of an incident leave the alerts of the single sites; the incident is decided before these fire.
		if site, ok := readAlerts(t)[strings.TrimSuffix(name, "AtManySites")]; ok && site.Alert != name && r.For > site.For {
			t.Errorf("%s fires after %s", name, site.Alert)
		}
	}
}

// TestSlowGroups tests that rules read the series of a group with a long interval over a range: the newest sample can
// be older than the 5 minutes for which an instant selector returns it.
func TestSlowGroups(t *testing.T) {
	groups := readGroups(t)
	for _, seldom := range groups {
		if time.Duration(seldom.Interval) < 4*time.Minute {
			continue
		}
		for _, r := range seldom.Rules {
			if r.Record == "" {
				continue
			}
			now := regexp.MustCompile(regexp.QuoteMeta(r.Record) + `\b(?:\{[^}]*\})?(?:[^\[{\w:]|$)`)
			for _, g := range groups {
				for _, user := range g.Rules {
					if g.Name != seldom.Name && now.MatchString(user.Expr) {
						t.Errorf("%s%s of %s looks at %s, which %s writes every %s", user.Record, user.Alert, g.Name, r.Record, seldom.Name, seldom.Interval)
					}
				}
			}
		}
	}
}

// unitTest is what is read of a test for promtool.
type unitTest struct {
	Name           string
	AlertRuleTests []struct {
		EvalTime model.Duration `yaml:"eval_time"`
		Alert    string         `yaml:"alertname"`
		Expected []struct {
			Labels      map[string]string `yaml:"exp_labels"`
			Annotations map[string]string `yaml:"exp_annotations"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

// unitTests reads all tests for promtool.
func unitTests(t *testing.T) []unitTest {
	t.Helper()
	files, err := filepath.Glob("tests/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	var all []unitTest
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Tests []unitTest }
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, file.Tests...)
	}
	return all
}

// TestAlertsHaveUnitTests tests that promtool follows every alert from silence through firing, with all its labels and
// annotations, to silence.
func TestAlertsHaveUnitTests(t *testing.T) {
	followed := make(map[string]bool)
	for _, test := range unitTests(t) {
		silent, fires := make(map[string][]model.Duration), make(map[string][]model.Duration)
		for _, a := range test.AlertRuleTests {
			if len(a.Expected) == 0 {
				silent[a.Alert] = append(silent[a.Alert], a.EvalTime)
				continue
			}
			fires[a.Alert] = append(fires[a.Alert], a.EvalTime)
			for _, e := range a.Expected {
				if len(e.Annotations) != len(annotations) || len(e.Labels) < 2 {
					t.Errorf("%s: not all labels and annotations are expected", test.Name)
				}
			}
		}
		for name, times := range fires {
			quiet := silent[name]
			if len(quiet) > 1 && slices.Min(quiet) < slices.Min(times) && slices.Max(times) < slices.Max(quiet) {
				followed[name] = true
			}
		}
	}
	for name := range readAlerts(t) {
		if !followed[name] {
			t.Errorf("%s: no unit test follows it from silence through firing to silence", name)
		}
	}
}
