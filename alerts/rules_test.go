// Package alerts has no code: these are the tests of the rules, of the routes and of the runbooks that belong to them.
package alerts

import (
	"bytes"
	"os"
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
	// runbookURL is where an alert's heading is read.
	runbookURL = "https://github.com/endpoint-exporter/endpoint_exporter/blob/main/docs/runbooks.md#"
)

// group and rule are all that a rules file may hold.
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

func readAlerts(t *testing.T) map[string]rule {
	t.Helper()
	all := make(map[string]rule)
	for _, g := range readGroups(t) {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			if _, twice := all[r.Alert]; twice {
				t.Errorf("%s is there twice", r.Alert)
			}
			all[r.Alert] = r
		}
	}
	return all
}

// The alerts that pages, routes, dashboards and runbooks are made for, with their severities: public names.
func TestAlerts(t *testing.T) {
	want := map[string]string{
		"EndpointInterceptedAtManySites":        "critical fleet",
		"EndpointCertificateExpiredAtManySites": "critical fleet",
		"EndpointUnreachableAtManySites":        "critical fleet",
		"EndpointDnsStaleAtManySites":           "critical fleet",
		"EndpointIntercepted":                   "critical site",
		"EndpointUnreachable":                   "critical site",
		"EndpointDnsStale":                      "critical site",
		"EndpointCertificateExpired":            "critical site",
		"EndpointPathBlocked":                   "warning site",
		"EndpointPathUnproven":                  "warning site",
		"EndpointPathUnsteady":                  "warning site",
		"EndpointAddressFails":                  "warning site",
		"EndpointHandshakeSlow":                 "warning site",
		"EndpointIdleTimeShorterThanKeepalive":  "warning site",
		"EndpointStalenessUnwatched":            "warning site",
		"EndpointResolverKeepsRecordsTooLong":   "warning site",
		"EndpointResolverFails":                 "warning site",
		"EndpointCertificateExpiresSoon":        "warning site",
		"EndpointSurveyIncomplete":              "warning site",
		"EndpointExporterAbsent":                "warning site",
		"EndpointHostUnwatched":                 "warning site",
		"EndpointExporterClockWrong":            "warning site",
		"EndpointConfigReloadFailed":            "warning site",
		"EndpointSessionsUnproven":              "info fleet",
		"EndpointPacketLoss":                    "info site",
		"EndpointDnsSuspect":                    "info site",
		"EndpointAddressChanged":                "info site",
	}
	for name, r := range readAlerts(t) {
		if got := r.Labels["severity"] + " " + r.Labels["scope"]; got != want[name] || len(r.Labels) != 2 {
			t.Errorf("%s: %v, want %q", name, r.Labels, want[name])
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is not there", name)
	}
}

func TestStyleOfAlerts(t *testing.T) {
	camelCase := regexp.MustCompile(`^Endpoint([A-Z][a-z]+)+$`)
	for name, r := range readAlerts(t) {
		if !camelCase.MatchString(name) {
			t.Errorf("%s is not CamelCase after Endpoint", name)
		}
		if keys := len(r.Annotations); keys != 3 {
			t.Errorf("%s has %d annotations, want summary, description and runbook_url", name, keys)
		}
		if s := r.Annotations["summary"]; s == "" || strings.Contains(s, "{{") || strings.HasSuffix(s, ".") || strings.Contains(s, "\n") {
			t.Errorf("%s: the summary is one clause without a template: %q", name, s)
		}
		d := r.Annotations["description"]
		if !strings.Contains(d, "{{") || !strings.HasSuffix(d, ".") {
			t.Errorf("%s: the description names what it is about, in whole sentences: %q", name, d)
		}
		if strings.Contains(r.Labels["scope"], "site") && !strings.Contains(d, "or $labels.site $externalLabels.site $labels.instance") {
			t.Errorf("%s: the description names the site by what there is: label, external label or instance", name)
		}
		if got, want := r.Annotations["runbook_url"], runbookURL+strings.ToLower(name); got != want {
			t.Errorf("%s: runbook_url %s, want %s", name, got, want)
		}
	}
}

// A number that decides is a threshold with a name, in the first group; rules use it by that name.
func TestThresholdsAreListedOnceAtTheTop(t *testing.T) {
	groups := readGroups(t)
	recorded := make(map[string]bool)
	for _, r := range groups[0].Rules {
		if !strings.HasPrefix(r.Record, "endpoint:threshold:") || !strings.HasPrefix(r.Expr, "vector(") {
			t.Errorf("%s: %s is no threshold", groups[0].Name, r.Record)
		}
		recorded[r.Record] = false
	}
	used := regexp.MustCompile(`endpoint:threshold:\w+`)
	number := regexp.MustCompile(`(?:[<>]=?|[*+])\s*(?:bool\s+)?(\d[\d.]*)`)
	for _, g := range groups[1:] {
		for _, r := range g.Rules {
			for _, name := range used.FindAllString(r.Expr, -1) {
				if _, known := recorded[name]; !known {
					t.Errorf("%s%s uses %s, which is not recorded", r.Record, r.Alert, name)
				}
				recorded[name] = true
			}
			for _, m := range number.FindAllStringSubmatch(r.Expr, -1) {
				// 24 medians are the two hours of history that the comment there speaks of.
				if m[1] != "0" && r.Record != "endpoint:handshake_seconds:past1d" {
					t.Errorf("%s%s compares with %s, which is no threshold of the list", r.Record, r.Alert, m[1])
				}
			}
		}
	}
	for name, ok := range recorded {
		if !ok {
			t.Errorf("%s is used by no rule", name)
		}
	}
}

// What pages waits for more than one round, lasts through short recoveries, and ends after what it is inhibited by
// has not.
func TestNothingPagesAtOnceOrFlaps(t *testing.T) {
	all := readAlerts(t)
	for name, r := range all {
		if name != "EndpointAddressChanged" && r.KeepFiringFor == 0 {
			t.Errorf("%s ends with the first round without its cause", name)
		}
		if r.Labels["scope"] == "site" && name != "EndpointAddressChanged" && r.For == 0 {
			t.Errorf("%s fires at the first evaluation", name)
		}
		if site, ok := all[strings.TrimSuffix(name, "AtManySites")]; ok && site.Alert != name {
			if r.For != 0 || site.For == 0 {
				t.Errorf("%s fires after %s, which it inhibits", name, site.Alert)
			}
			if r.KeepFiringFor <= site.KeepFiringFor {
				t.Errorf("%s ends before %s, which it inhibits", name, site.Alert)
			}
		}
	}
}

// A group with an interval of its own writes its series that seldom, and for a moment each time the last samples are
// older than what a selector takes for now. Other groups so may not look at them but over a range, nor alerts wait on
// them by `for`.
func TestSeriesThatAreSeldomWrittenStayInTheirGroup(t *testing.T) {
	groups := readGroups(t)
	for _, seldom := range groups {
		if time.Duration(seldom.Interval) < 5*time.Minute {
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

// Every alert has unit tests in which it is silent, fires with all its labels and annotations, and has ended.
func TestEveryAlertIsTested(t *testing.T) {
	files, err := os.ReadDir("tests")
	if err != nil {
		t.Fatal(err)
	}
	type expectation struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	}
	whole := make(map[string]bool)
	for _, f := range files {
		text, err := os.ReadFile("tests/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Tests []struct {
				Name           string
				AlertRuleTests []struct {
					EvalTime model.Duration `yaml:"eval_time"`
					Alert    string         `yaml:"alertname"`
					Expected []expectation  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		for _, test := range file.Tests {
			silent, fires := make(map[string][]model.Duration), make(map[string][]model.Duration)
			for _, a := range test.AlertRuleTests {
				if len(a.Expected) == 0 {
					silent[a.Alert] = append(silent[a.Alert], a.EvalTime)
					continue
				}
				fires[a.Alert] = append(fires[a.Alert], a.EvalTime)
				for _, e := range a.Expected {
					if len(e.Annotations) != 3 || len(e.Labels) < 2 {
						t.Errorf("%s: %s: not all labels and annotations are expected", f.Name(), test.Name)
					}
				}
			}
			for name, times := range fires {
				quiet := silent[name]
				if len(quiet) > 1 && slices.Min(quiet) < slices.Min(times) && slices.Max(times) < slices.Max(quiet) {
					whole[name] = true
				}
			}
		}
	}
	for name := range readAlerts(t) {
		if !whole[name] {
			t.Errorf("%s: no unit test follows it from silence through firing to silence", name)
		}
	}
}

// What inhibits lasts longer than what it inhibits, counted from the last sample of a cause that both share, by the
// time that a group takes to hear of it. Else the lesser alert, or its end, would be sent when all is over.
func TestInhibitorsOutlastWhatTheyInhibit(t *testing.T) {
	text, err := os.ReadFile("alertmanager.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	type route struct {
		GroupInterval model.Duration `yaml:"group_interval"`
		Routes        []route
	}
	var config struct {
		Route route
		Rules []struct {
			Source []string `yaml:"source_matchers"`
			Target []string `yaml:"target_matchers"`
		} `yaml:"inhibit_rules"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	var longest func(route) time.Duration
	longest = func(r route) time.Duration {
		most := time.Duration(r.GroupInterval)
		for _, inner := range r.Routes {
			most = max(most, longest(inner))
		}
		return most
	}
	hears := longest(config.Route)
	if hears == 0 {
		t.Error("no route has a group_interval")
	}
	all := readAlerts(t)
	tails := make(map[string]time.Duration)
	recorded := make(map[string]string)
	for _, g := range readGroups(t) {
		for _, r := range g.Rules {
			recorded[r.Record] = r.Expr
		}
	}
	for name, r := range all {
		tails[name] = longestRange(t, r.Expr, recorded) + time.Duration(r.KeepFiringFor)
	}
	pairs := 0
	for _, rule := range config.Rules {
		for _, source := range namesOf(t, rule.Source) {
			for _, target := range namesOf(t, rule.Target) {
				pairs++
				// The outage that makes a path blocked does not make it unsteady.
				if target != "EndpointPathUnsteady" && (tails[target] == 0 || tails[source] < tails[target]+hears) {
					t.Errorf("%s ends %s after its cause, %s, which it inhibits, %s; groups hear of it within %s",
						source, tails[source], target, tails[target], hears)
				}
			}
		}
	}
	if pairs < 16 {
		t.Errorf("only %d pairs were compared", pairs)
	}
}

// namesOf reads the alerts' names of an inhibition's only matcher.
func namesOf(t *testing.T, matchers []string) []string {
	t.Helper()
	if len(matchers) != 1 {
		t.Fatalf("%q is not one matcher", matchers)
	}
	m := regexp.MustCompile(`^alertname=~?"([\w|]+)"$`).FindStringSubmatch(matchers[0])
	if m == nil {
		t.Fatalf("%s is no matcher of names", matchers[0])
	}
	names := strings.Split(m[1], "|")
	for _, name := range names {
		if _, ok := readAlerts(t)[name]; !ok {
			t.Errorf("%s is no alert", name)
		}
	}
	return names
}

// longestRange is how far back an expression looks, through the series that it takes from other rules.
func longestRange(t *testing.T, expr string, recorded map[string]string) time.Duration {
	t.Helper()
	var most time.Duration
	for _, m := range regexp.MustCompile(`\[(\w+)`).FindAllStringSubmatch(expr, -1) {
		d, err := model.ParseDuration(m[1])
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, time.Duration(d))
	}
	for _, name := range regexp.MustCompile(`endpoint:[\w:]+`).FindAllString(expr, -1) {
		most = max(most, longestRange(t, recorded[name], recorded))
	}
	return most
}
