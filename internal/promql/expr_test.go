package promql

import (
	"slices"
	"strings"
	"testing"
)

var someMetrics = map[string][]string{
	"endpoint_up":                    {"service", "host"},
	"endpoint_path_up":               {"service", "host", "transport", "port"},
	"endpoint_path_failure":          {"service", "host", "transport", "port", "reason", "class"},
	"endpoint_keepalive_seconds":     {"service", "host"},
	"endpoint_handshake_bucket":      {"service", "host", "transport", "port", "le"},
	"endpoint_survey_last_timestamp": nil,
}

func TestLabelsOfWhatAnExpressionYields(t *testing.T) {
	for expr, want := range map[string]string{
		`endpoint_up`:                             "host instance job service site",
		`{__name__="endpoint_up"}`:                "host instance job service site",
		`max_over_time(endpoint_up[10m])`:         "host instance job service site",
		`sum by (host) (endpoint_up)`:             "host",
		`topk by (host) (3, endpoint_up)`:         "host instance job service site",
		`count(endpoint_up == 0)`:                 "",
		`max without (host) (endpoint_up)`:        "instance job service site",
		`time() - endpoint_survey_last_timestamp`: "instance job site",
		`vector(0)`: "",
		`scalar(endpoint_up) + endpoint_keepalive_seconds`:                         "host instance job service site",
		`count_values by (job) ("state", endpoint_up)`:                             "job state",
		`label_replace(endpoint_up, "name", "$1", "host", "(.*)")`:                 "host instance job name service site",
		`label_join(endpoint_path_up, "path", "/", "transport", "port")`:           "host instance job path port service site transport",
		`histogram_quantile(0.9, rate(endpoint_handshake_bucket[1h]))`:             "host instance job port service site transport",
		`endpoint_path_up * on (job) group_left (host) endpoint_up`:                "host instance job port service site transport",
		`endpoint_up * on (job, host) endpoint_keepalive_seconds`:                  "host job",
		`endpoint_up or endpoint_path_up`:                                          "host instance job port service site transport",
		`endpoint_path_failure and ignoring (reason, class) endpoint_path_up == 0`: "class host instance job port reason service site transport",
		`endpoint_path_up unless on (host) endpoint_up`:                            "host instance job port service site transport",
		`max_over_time(endpoint_up[1h:5m] @ end())`:                                "host instance job service site",
	} {
		got, err := Labels(expr, someMetrics)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
		}
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s yields %q, want %q", expr, got, want)
		}
	}
}

func TestFaultsOfExpressions(t *testing.T) {
	for expr, want := range map[string]string{
		`sum(`:                             `parse`,
		`endpoint_gone`:                    `metric "endpoint_gone" does not exist`,
		`{host="a"}`:                       `metric "" does not exist`,
		`rate(endpoint_gone_total[10m])`:   `metric "endpoint_gone_total" does not exist`,
		`endpoint_up{port="443"}`:          `label "port" cannot be in`,
		`sum by (port) (endpoint_up)`:      `label "port" cannot be in`,
		`sum without (port) (endpoint_up)`: `label "port" cannot be in`,
		`sum by (host) (sum by (service) (endpoint_up))`:                         `label "host" cannot be in`,
		`endpoint_up * on (port) endpoint_keepalive_seconds`:                     `label "port" cannot be in`,
		`endpoint_path_up * ignoring (reason) endpoint_path_up`:                  `label "reason" cannot be in`,
		`endpoint_path_up * on (host) group_left (reason) endpoint_up`:           `label "reason" cannot be in`,
		`endpoint_up * on (host) group_right (reason) endpoint_path_up`:          `label "reason" cannot be in`,
		`endpoint_path_up == endpoint_up`:                                        `only the left side has ["transport" "port"]`,
		`endpoint_up and endpoint_path_up`:                                       `only the right side has ["transport" "port"]`,
		`endpoint_up / sum by (job, instance, service, host) (endpoint_path_up)`: `only the left side has ["site"]`,
		`label_replace(endpoint_up, "name", "$1", "port", "(.*)")`:               `label "port" cannot be in`,
		`endpoint_path_failure{class="interceptoin"}`:                            `label "class" is never "interceptoin"`,
		`endpoint_path_failure{class!="survay"}`:                                 `label "class" is never "survay"`,
		`endpoint_path_failure{reason=~"expired|not_yet_valit"}`:                 `label "reason" is never "not_yet_valit"`,
		`label_join(endpoint_up, "path", "/", "host", "port")`:                   `label "port" cannot be in`,
	} {
		err := CheckExpr(expr, someMetrics)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", expr, err, want)
		}
	}
}
