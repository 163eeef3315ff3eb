package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
	"github.com/endpoint-exporter/endpoint_exporter/internal/promql"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
)

// all gives the dashboards by the names of their files, as Grafana reads them.
func all(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := dashboards()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]dashboard{}
	for name, content := range files {
		var d dashboard
		if err := json.Unmarshal(content, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = d
	}
	return out
}

func TestCommittedFiles(t *testing.T) {
	files, err := dashboards()
	if err != nil {
		t.Fatal(err)
	}
	var used []string
	for name, content := range files {
		file := filepath.Join("..", name)
		used = append(used, file)
		golden.Equal(t, file, string(content)) // or go generate ./dashboards/...
	}
	golden.Exact(t, "../*.json", used)
}

func TestRun(t *testing.T) {
	folder := t.TempDir()
	if err := run([]string{folder}); err != nil {
		t.Fatal(err)
	}
	if written, err := filepath.Glob(filepath.Join(folder, "*.json")); err != nil || len(written) != 3 {
		t.Errorf("wrote %q, %v", written, err)
	}
	if err := run(nil); err == nil {
		t.Error("no folder was named, and nothing said")
	}
	if err := run([]string{filepath.Join(folder, "none")}); err == nil {
		t.Error("the folder does not exist, and nothing said")
	}
}

// TestLegends tests that legends distinguish two exporters of one site, and the hosts that one exporter probes.
func TestLegends(t *testing.T) {
	known := knownSeries(t)
	told := 0
	for _, p := range all(t)["exporter.json"].Panels {
		for _, q := range p.Targets {
			got, err := promql.Labels(substitute(q.Expr), known)
			if err != nil {
				t.Fatal(err)
			}
			if q.LegendFormat == "" || !slices.Contains(got, "instance") {
				continue
			}
			told++
			if !strings.Contains(q.LegendFormat, "{{instance}}") {
				t.Errorf("%s: the legend is %s", p.Title, q.LegendFormat)
			}
		}
	}
	if told < 6 {
		t.Errorf("only %d legends were seen", told)
	}
}

// knownSeries lists the series that an exporter, its scrape and the alerting rules yield, with their labels.
func knownSeries(t *testing.T) map[string][]string {
	t.Helper()
	known, err := promql.Known()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	known, err = promql.CheckRules(rules, known)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// TestExpressions tests that every expression of a panel, an annotation or a variable parses, that its series and
// labels exist, and that the labels in legends, columns and links are labels of the result.
func TestExpressions(t *testing.T) {
	known := knownSeries(t)
	legend := regexp.MustCompile(`\{\{(\w+)\}\}`)
	for name, d := range all(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				got, err := promql.Labels(substitute(q.Expr), known)
				if err != nil {
					t.Errorf("%s: %s: %s:\n%v\n%s", name, p.Title, q.RefID, err, q.Expr)
					continue
				}
				for _, m := range legend.FindAllStringSubmatch(q.LegendFormat, -1) {
					if !slices.Contains(got, m[1]) {
						t.Errorf("%s: %s: the legend names %q of %q", name, p.Title, m[1], got)
					}
				}
				if p.Type == "table" {
					checkColumns(t, name, p, got)
				}
			}
		}
		for _, a := range d.Annotations.List {
			got, err := promql.Labels(substitute(a.Expr), known)
			if err != nil {
				t.Errorf("%s: annotation %s: %v", name, a.Name, err)
			}
			for _, m := range legend.FindAllStringSubmatch(a.TitleFormat+a.TextFormat, -1) {
				if !slices.Contains(got, m[1]) {
					t.Errorf("%s: annotation %s names %q of %q", name, a.Name, m[1], got)
				}
			}
		}
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(v.Definition)
			if m == nil {
				t.Errorf("%s: variable %s: %s", name, v.Name, v.Definition)
				continue
			}
			got, err := promql.Labels(substitute(m[1]), known)
			if err != nil || !slices.Contains(got, m[2]) {
				t.Errorf("%s: variable %s: label %s of %q: %v", name, v.Name, m[2], got, err)
			}
		}
	}
}

// substitute replaces Grafana's own variables. Those of the dashboard are in quotes and need no value.
func substitute(expr string) string {
	return strings.NewReplacer("$__interval", "10m", "$__rate_interval", "10m", "$__range", "6h").Replace(expr)
}

// checkColumns compares a table's columns with the labels that its queries yield: each is shown once or hidden.
func checkColumns(t *testing.T, name string, p panel, got []string) {
	t.Helper()
	options := p.Transformations[len(p.Transformations)-1].Options
	shown, _ := options["indexByName"].(map[string]any)
	hidden, _ := options["excludeByName"].(map[string]any)
	for _, l := range got {
		if _, ok := shown[l]; !ok && hidden[l] == nil {
			t.Errorf("%s: %s: label %q is neither shown nor hidden", name, p.Title, l)
		}
	}
	for _, l := range append(slices.Collect(maps.Keys(shown)), slices.Collect(maps.Keys(hidden))...) {
		if !strings.HasPrefix(l, "Value") && l != "Time" && !slices.Contains(got, l) {
			t.Errorf("%s: %s: column %q is not a label of %q", name, p.Title, l, got)
		}
	}
	links, err := json.Marshal(p.FieldConfig.Overrides)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`__data\.fields\.(\w+)`).FindAllStringSubmatch(string(links), -1) {
		if _, ok := shown[m[1]]; !ok {
			t.Errorf("%s: %s: a link needs the column %q, which is not shown", name, p.Title, m[1])
		}
	}
}

// TestWindows tests that every window has samples, since there is one for each round: it is ten minutes or longer,
// or an interval that is not shorter than the time between rounds, or a rate interval that is twice as long.
func TestWindows(t *testing.T) {
	window := regexp.MustCompile(`\[([^\]:]+)(:[^\]]*)?\]`)
	quoted := regexp.MustCompile(`"(\\.|[^"])*"`)
	for name, d := range all(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				for _, m := range window.FindAllStringSubmatch(quoted.ReplaceAllString(q.Expr, `""`), -1) {
					if m[1] == "$__range" || m[1] == "$__interval" && duration(p.Interval) >= duration(slowestScrape) ||
						m[1] == "$__rate_interval" && 2*duration(q.Interval) >= duration(slowestScrape) {
						continue
					}
					if duration(m[1]) < 10*time.Minute {
						t.Errorf("%s: %s: a window of %s", name, p.Title, m[1])
					}
				}
			}
		}
	}
}

// duration parses a duration of Prometheus with one unit. It is 0 for other forms.
func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if n, ok := strings.CutSuffix(text, "d"); ok && err != nil {
		days, _ := strconv.Atoi(n)
		return time.Duration(days) * 24 * time.Hour
	}
	return d
}

func TestPanelDescriptions(t *testing.T) {
	types := []string{"timeseries", "stat", "bargauge", "table", "text", "state-timeline", "row"}
	for name, d := range all(t) {
		titles := map[string]bool{}
		for i, p := range d.Panels {
			if !slices.Contains(types, p.Type) {
				t.Errorf("%s: %s: type %s", name, p.Title, p.Type)
			}
			if p.ID != i+1 {
				t.Errorf("%s: %s: id %d at place %d", name, p.Title, p.ID, i+1)
			}
			if p.Title == "" || p.Type != "row" && titles[p.Title] {
				t.Errorf("%s: panel %d: title %q is empty or another's", name, p.ID, p.Title)
			}
			if p.Type == "row" {
				continue
			}
			titles[p.Title] = true
			if len(p.Description) < 30 || !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s: %s: no description: %q", name, p.Title, p.Description)
			}
			if p.Type == "text" {
				continue
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s: %s: asks for nothing", name, p.Title)
			}
			if *p.Datasource != prometheus {
				t.Errorf("%s: %s: data source %v", name, p.Title, *p.Datasource)
			}
			if p.FieldConfig.Defaults.NoValue == "" {
				t.Errorf("%s: %s: has no text for missing data", name, p.Title)
			}
			if p.Type != "table" && p.FieldConfig.Defaults.Unit == "" {
				t.Errorf("%s: %s: no unit", name, p.Title)
			}
			for _, o := range p.FieldConfig.Overrides {
				if strings.Contains(o.Matcher.Options, "Value") && !slices.ContainsFunc(o.Properties, func(p property) bool { return p.ID == "unit" }) {
					t.Errorf("%s: %s: no unit in column %s", name, p.Title, o.Matcher.Options)
				}
			}
			for j, q := range p.Targets {
				if q.RefID != string(rune('A'+j)) || q.Datasource != prometheus || q.Instant == q.Range || strings.TrimSpace(q.Expr) == "" {
					t.Errorf("%s: %s: %+v", name, p.Title, q)
				}
				if strings.Contains(q.Expr, "@target") || strings.Contains(q.Expr, "(@") || strings.Contains(q.Expr, "{@") {
					t.Errorf("%s: %s: not filled in: %s", name, p.Title, q.Expr)
				}
			}
		}
	}
}

func TestPanelGrid(t *testing.T) {
	for name, d := range all(t) {
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
				t.Errorf("%s: %s: %+v", name, p.Title, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: %s lies on %s", name, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
		bottom := 0
		for at := range taken {
			bottom = max(bottom, at[1]+1)
		}
		if len(taken) != 24*bottom {
			t.Errorf("%s: holes: %d of %d cells are taken", name, len(taken), 24*bottom)
		}
	}
}

// TestStateMappings tests that every state, reason and class has a word in addition to its colour.
func TestStateMappings(t *testing.T) {
	for name, d := range all(t) {
		for _, p := range d.Panels {
			if p.Type == "state-timeline" && len(p.FieldConfig.Defaults.Mappings) == 0 {
				t.Errorf("%s: %s: states without words", name, p.Title)
			}
		}
	}
	named, _ := reasonNames[0].Options.(map[string]result)
	for _, info := range reason.All() {
		if got, ok := named[string(info.Reason)]; !ok || !strings.Contains(got.Text, info.Word) {
			t.Errorf("reason %s has no word: %+v", info.Reason, got)
		}
	}
	if len(named) != len(reason.All()) {
		t.Errorf("%d words for %d reasons", len(named), len(reason.All()))
	}
	ranks, _ := classRank[0].Options.(map[string]result)
	for rank, info := range reason.Classes() {
		if !strings.Contains(classRanks, strconv.Quote(string(info.Class))) {
			t.Errorf("class %s has no rank", info.Class)
		}
		if got := ranks[strconv.Itoa(rank)]; got.Text != info.Title || got.Color != info.Colour {
			t.Errorf("class %s is shown as %+v", info.Class, got)
		}
	}
}

// siteOfLink is the site and the exporter in a link: those of the row, those of the series, or all.
var siteOfLink = regexp.MustCompile(`&var-site=(\$\{__data\.fields\.site\}&var-instance=\$\{__data\.fields\.(instance|exporter)\}|` +
	`\$\{__field\.labels\.site\}&var-instance=\$\{__field\.labels\.(instance|exporter)\}|\$__all&var-instance=\$__all)&`)

// TestSelectors tests that every selector has the matchers of the variables. The site is necessary: exporters whose
// own Prometheus writes to a central one differ in no other label. Alerts of the fleet have none of the labels and
// are always selected.
func TestSelectors(t *testing.T) {
	known := knownSeries(t)
	isKnown := func(metric string) bool { _, ok := known[metric]; return ok }
	check := func(where, expr string, chosen ...string) {
		t.Helper()
		tree, err := parser.NewParser(parser.Options{}).ParseExpr(substitute(expr))
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		for _, selector := range parser.ExtractSelectors(tree) {
			have := map[string]string{}
			for _, m := range selector {
				if m.Type == labels.MatchRegexp || m.Name == model.MetricNameLabel {
					have[m.Name] = m.Value
				}
			}
			metric, or := have[model.MetricNameLabel], ""
			var partial []string
			switch {
			case strings.HasPrefix(metric, "ALERTS"):
				or = "|"
			case strings.HasPrefix(metric, "endpoint:fault"), metric == "endpoint:site:fault", metric == "endpoint:incident:member": // a silent site has no instance
				partial = []string{"job", "instance"}
			case strings.HasPrefix(metric, "endpoint:threshold:"): // of no exporter
				continue
			case !isKnown(metric):
				t.Errorf("%s: %s is not the exporter's: what keeps it to the site?", where, metric)
			}
			for _, name := range chosen {
				want := "$" + name + or
				if slices.Contains(partial, name) {
					want += "|"
				}
				if have[name] != want {
					t.Errorf("%s: %s has %s=~%q", where, metric, name, have[name])
				}
			}
		}
	}
	for file, d := range all(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				check(file+": "+p.Title+": "+q.RefID, q.Expr, "job", "site", "instance")
			}
		}
		for _, a := range d.Annotations.List {
			check(file+": annotation "+a.Name, a.Expr, "job", "site", "instance")
		}
		var before []string
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			series := strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ", "+v.Name+")")
			check(file+": variable "+v.Name, series, before...)
			before = append(before, v.Name)
			// All sites are also those without the label: there are no values then, and nothing to choose. The other labels are
			// always there.
			all, want := true, ".+"
			switch v.Name {
			case "job": // the exporters' jobs, and no others
				want = ""
			case "site":
				want = ".*"
			}
			if one := file == "endpoint.json" && (v.Name == "site" || v.Name == "host"); one {
				all, want = false, ""
			}
			if v.AllValue != want || v.IncludeAll != all || v.Multi != v.IncludeAll || v.Name == "site" && v.Hide != 0 {
				t.Errorf("%s: variable %+v", file, v)
			}
		}
	}
}

func TestProvisioning(t *testing.T) {
	uids := map[string]bool{}
	files, err := dashboards()
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range all(t) {
		for _, word := range []string{`"__inputs"`, `"${DS_`, `"__requires"`} {
			if bytes.Contains(files[name], []byte(word)) {
				t.Errorf("%s has %s, which only an import by hand fills in", name, word)
			}
		}
		var top map[string]any
		if err := json.Unmarshal(files[name], &top); err != nil {
			t.Fatal(err)
		}
		if _, ok := top["id"]; ok {
			t.Errorf("%s has an id, which would clash with another's", name)
		}
		if d.Editable || d.Title == "" || d.Description == "" || d.UID == "" || uids[d.UID] || len(d.Tags) == 0 || d.SchemaVersion == 0 {
			t.Errorf("%s: %q %q editable=%v", name, d.UID, d.Title, d.Editable)
		}
		uids[d.UID] = true

		var names []string
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			if v.Label == "" || v.Description == "" || v.Type == "query" && (*v.Datasource != prometheus || v.Refresh != 2) {
				t.Errorf("%s: variable %+v", name, v)
			}
		}
		if !slices.Equal(names, []string{"datasource", "job", "site", "instance", "service", "host"}) {
			t.Errorf("%s: variables %q", name, names)
		}
	}
	for name, d := range all(t) {
		to := map[string]bool{}
		for _, l := range d.Links {
			if uid, ok := strings.CutPrefix(l.URL, "/d/"); ok {
				to[uid] = true
				if !l.IncludeVars || !l.KeepTime || !uids[uid] {
					t.Errorf("%s: link %+v", name, l)
				}
			}
		}
		if len(to) != len(uids)-1 || to[d.UID] {
			t.Errorf("%s: links to %v", name, to)
		}
		// Links of rows and series name a dashboard that is there, keep data source and time, and go to one site: where
		// each exporter is the same instance, nothing else tells them apart.
		content := string(files[name])
		for _, m := range regexp.MustCompile(`"/d/([a-z-]+)\?([^"]*)"`).FindAllStringSubmatch(content, -1) {
			if !uids[m[1]] || !strings.Contains(m[2], "${datasource:queryparam}") || !strings.Contains(m[2], "${__url_time_range}") ||
				!strings.Contains(m[2], "${job:queryparam}") || !siteOfLink.MatchString(m[2]) {
				t.Errorf("%s: %s", name, m[0])
			}
		}
	}
}

// TestProvisioningExample tests that the example of file provisioning has what these files need: a folder of
// read-only files, and a data source of their type.
func TestProvisioningExample(t *testing.T) {
	read := func(name string, into any) {
		t.Helper()
		content, err := os.ReadFile(filepath.Join("../../docs/examples/grafana", name))
		if err == nil {
			err = yaml.Unmarshal(content, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var provided struct {
		Providers []struct {
			Type           string
			AllowUIUpdates bool `yaml:"allowUiUpdates"`
			Options        struct{ Path string }
		}
	}
	read("dashboards.yml", &provided)
	if len(provided.Providers) != 1 || provided.Providers[0].Type != "file" || provided.Providers[0].AllowUIUpdates || provided.Providers[0].Options.Path == "" {
		t.Errorf("providers: %+v", provided.Providers)
	}
	var sources struct{ Datasources []struct{ Type string } }
	read("datasource.yml", &sources)
	if len(sources.Datasources) != 1 || sources.Datasources[0].Type != prometheus.Type {
		t.Errorf("data sources: %+v", sources.Datasources)
	}
}

// TestFaults tests that the dashboards have every fault that the rules record, with a word and who must act.
func TestFaults(t *testing.T) {
	rules, err := os.ReadFile("../../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]bool{certificateExpired: true}
	for _, m := range regexp.MustCompile(`labels: \{fault: (\w+)\}`).FindAllStringSubmatch(string(rules), -1) {
		recorded[m[1]] = true
	}
	if len(recorded) < 15 {
		t.Fatalf("only %d faults were found in the rules", len(recorded))
	}
	for _, f := range faults {
		if !recorded[f.name] {
			t.Errorf("%s is not recorded, or stands twice", f.name)
		}
		delete(recorded, f.name)
		if f.word == "" || f.color == "" || f.who == "" {
			t.Errorf("%+v", f)
		}
	}
	for name := range recorded {
		t.Errorf("the rules record %s, which the dashboards do not have", name)
	}
	for _, info := range reason.Classes() {
		if classActors[string(info.Class)] == "" {
			t.Errorf("who must act on class %s?", info.Class)
		}
	}
}
