package promql

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// rulesFile is what is read of a rules file here; promtool is what judges the file itself.
type rulesFile struct {
	Groups []struct {
		Rules []struct {
			Record, Alert, Expr string
			Labels, Annotations map[string]string
		}
	}
}

var (
	// A template's query: printf `expression with %q` ... | query
	templateQuery = regexp.MustCompile("(?s)printf\\s+`([^`]*)`[^}]*?\\|\\s*query")
	templateLabel = regexp.MustCompile(`\$labels\.(\w+)`)
	resultLabel   = regexp.MustCompile(`\.Labels\.(\w+)|sortByLabel\s+"(\w+)"`)
)

// CheckRules holds every expression of a rules file against known, together with what the file itself records: those of
// the rules, and those that annotations ask. The labels that an annotation uses must be ones that the alert may have.
//
// It gives known enlarged by what the file yields: the recorded series, and ALERTS and ALERTS_FOR_STATE. A recording
// rule may use one that stands further down, as it may in Prometheus, one evaluation late.
func CheckRules(file []byte, known map[string][]string) (map[string][]string, error) {
	var f rulesFile
	if err := yaml.Unmarshal(file, &f); err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	all := maps.Clone(known)
	pending := map[string]string{} // recorded name: its expression
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				pending[r.Record] = r.Expr
			}
		}
	}
	for progress := true; progress; {
		progress = false
		for name, expr := range pending {
			if found, err := Labels(expr, all); err == nil {
				all[name] = found
				delete(pending, name)
				progress = true
			}
		}
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(pending)) {
		faults = append(faults, fmt.Errorf("%s: %w", name, CheckExpr(pending[name], all)))
	}

	alerts := []string{"alertname", "alertstate"}
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			have, err := Labels(r.Expr, all)
			if err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", r.Alert, err))
				continue
			}
			have = union(union(have, TargetLabels), slices.Sorted(maps.Keys(r.Labels)))
			alerts = union(alerts, have)
			for _, key := range slices.Sorted(maps.Keys(r.Annotations)) {
				if err := checkTemplate(r.Annotations[key], have, all); err != nil {
					faults = append(faults, fmt.Errorf("%s: %s: %w", r.Alert, key, err))
				}
			}
		}
	}
	all["ALERTS"] = alerts
	all["ALERTS_FOR_STATE"] = minus(alerts, []string{"alertstate"})
	return all, errors.Join(faults...)
}

// checkTemplate checks that an annotation uses only labels that its alert has, and that its queries use only metrics of
// known.
func checkTemplate(text string, have []string, known map[string][]string) error {
	var faults []error
	for _, m := range templateLabel.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(have, m[1]) {
			faults = append(faults, fmt.Errorf("the alert has no label %q", m[1]))
		}
	}
	queries := templateQuery.FindAllStringSubmatch(text, -1)
	if asked := strings.Count(text, "| query"); asked != len(queries) {
		faults = append(faults, fmt.Errorf("%d queries, of which %d have the form that is read here: printf `...` ... | query", asked, len(queries)))
	}
	var results []string
	for _, m := range queries {
		found, err := Labels(strings.ReplaceAll(m[1], "%q", `"$value"`), known)
		if err != nil {
			faults = append(faults, err)
		}
		results = union(results, found)
	}
	for _, m := range resultLabel.FindAllStringSubmatch(text, -1) {
		if name := m[1] + m[2]; !slices.Contains(results, name) {
			faults = append(faults, fmt.Errorf("no query of the text gives a label %q", name))
		}
	}
	return errors.Join(faults...)
}
