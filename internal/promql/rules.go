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

// rulesFile is the part of a rules file that is checked here; promtool checks the rest.
type rulesFile struct {
	Groups []struct{ Rules []rule }
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

// Operators change a threshold by recording a series of the same name, with the prefix override.
const (
	threshold = "endpoint:threshold:"
	override  = "endpoint:override:"
)

var (
	// A template's query: printf `expression with %q or %s` ... | query, or query "expression"
	templateQuery = regexp.MustCompile("(?s)printf\\s+`([^`]*)`[^}]*?\\|\\s*query")
	plainQuery    = regexp.MustCompile(`\bquery\s+"([^"]*)"`)
	templateLabel = regexp.MustCompile(`\$labels\.(\w+)`)
	resultLabel   = regexp.MustCompile(`\.Labels\.(\w+)|(?:sortByLabel|label)\s+"(\w+)"`)
)

// CheckRules checks every expression of a rules file, and those in annotations, against known and the series that the
// file records. The labels that an annotation uses must be ones that the alert may have.
//
// It returns known with the series that the file yields: the recorded ones, ALERTS and ALERTS_FOR_STATE. A rule may use
// a series that a later rule records: Prometheus then uses the value of the previous evaluation.
func CheckRules(file []byte, known map[string][]string) (map[string][]string, error) {
	var f rulesFile
	if err := yaml.Unmarshal(file, &f); err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	all := maps.Clone(known)
	var recordings, alerts []rule
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts = append(alerts, r)
				continue
			}
			recordings = append(recordings, r)
			if name, ok := strings.CutPrefix(r.Record, threshold); ok {
				all[override+name] = nil
			}
			if r.Record == "endpoint:links" && len(r.Labels) > 0 {
				all[override+"links"] = slices.Sorted(maps.Keys(r.Labels))
			}
		}
	}
	// Labels of the recorded series. Several rules may record one name. A rule may use a series that a later rule records,
	// or its own, so that the labels are computed until they no longer change.
	for progress := true; progress; {
		progress = false
		for _, r := range recordings {
			// A fault may be a series that is not recorded yet; what is left of it is reported below.
			found, _ := Labels(r.Expr, all)
			found = union(found, slices.Sorted(maps.Keys(r.Labels)))
			for label, value := range r.Labels {
				all[variant(r.Record, label, value)] = found
			}
			if have, ok := all[r.Record]; !ok || len(minus(found, have)) > 0 {
				all[r.Record] = union(have, found)
				progress = true
			}
		}
	}
	var faults []error
	for _, r := range recordings {
		if err := CheckExpr(r.Expr, all); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", r.Record, err))
		}
	}

	alertLabels := []string{"alertname", "alertstate"}
	for _, r := range alerts {
		have, err := Labels(r.Expr, all)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", r.Alert, err))
			continue
		}
		have = union(union(have, TargetLabels), slices.Sorted(maps.Keys(r.Labels)))
		alertLabels = union(alertLabels, have)
		for _, key := range slices.Sorted(maps.Keys(r.Annotations)) {
			if err := checkTemplate(r.Annotations[key], have, all); err != nil {
				faults = append(faults, fmt.Errorf("%s: %s: %w", r.Alert, key, err))
			}
		}
	}
	all["ALERTS"] = alertLabels
	all["ALERTS_FOR_STATE"] = minus(alertLabels, []string{"alertstate"})
	return all, errors.Join(faults...)
}

// variant names the series of a recorded name whose rule sets this label to this value. Rules that record one name can
// have different labels.
func variant(name, label, value string) string { return fmt.Sprintf("%s{%s=%q}", name, label, value) }

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
	for _, m := range append(queries, plainQuery.FindAllStringSubmatch(text, -1)...) {
		found, err := Labels(strings.NewReplacer("%q", `"$value"`, "%s", "0").Replace(m[1]), known)
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
