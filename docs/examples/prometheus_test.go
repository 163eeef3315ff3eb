package examples

import (
	"path/filepath"
	"strings"
	"testing"
)

// prometheus is what these examples use of Prometheus' configuration.
type prometheus struct {
	Global struct {
		ScrapeInterval string            `yaml:"scrape_interval"`
		ScrapeTimeout  string            `yaml:"scrape_timeout"`
		ExternalLabels map[string]string `yaml:"external_labels"`
	}
	RuleFiles     []string `yaml:"rule_files"`
	ScrapeConfigs []struct {
		JobName        string    `yaml:"job_name"`
		ScrapeInterval string    `yaml:"scrape_interval"`
		MetricsPath    string    `yaml:"metrics_path"`
		StaticConfigs  []targets `yaml:"static_configs"`
		HTTPSDConfigs  []struct {
			URL string `yaml:"url"`
		} `yaml:"http_sd_configs"`
		RelabelConfigs       []relabel `yaml:"relabel_configs"`
		MetricRelabelConfigs []relabel `yaml:"metric_relabel_configs"`
	} `yaml:"scrape_configs"`
	Alerting struct {
		Alertmanagers []struct {
			StaticConfigs []targets `yaml:"static_configs"`
		}
	}
	RemoteWrite []struct {
		URL       string `yaml:"url"`
		BasicAuth struct {
			Username     string
			PasswordFile string `yaml:"password_file"`
		} `yaml:"basic_auth"`
	} `yaml:"remote_write"`
}

type targets struct {
	Targets []string
	Labels  map[string]string
}

type relabel struct {
	SourceLabels               []string `yaml:"source_labels,flow"`
	TargetLabel                string   `yaml:"target_label"`
	Regex, Replacement, Action string
	Modulus                    int
}

func scrapeConfig(t *testing.T, name string) *prometheus {
	t.Helper()
	config := new(prometheus)
	decode(t, name, read(t, name), config)
	return config
}

// prometheusFiles are the examples for Prometheus, with what is mounted beside it in the compose file.
func prometheusFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("prometheus-*.yml")
	if err != nil || len(files) < 5 {
		t.Fatalf("examples for Prometheus: %q, %v", files, err)
	}
	return append(files, "compose/prometheus.yml")
}

// TestEveryTargetIsAnExporter holds that whatever is scraped, and whatever lists targets, is an exporter on its port.
func TestEveryTargetIsAnExporter(t *testing.T) {
	for _, file := range prometheusFiles(t) {
		for _, job := range scrapeConfig(t, file).ScrapeConfigs {
			var asked []string
			for _, sd := range job.HTTPSDConfigs {
				address, ok := strings.CutSuffix(sd.URL, "/sd")
				if !ok {
					t.Errorf("%s: %s: targets from %s", file, job.JobName, sd.URL)
				}
				asked = append(asked, address)
			}
			if job.MetricsPath == "/probe" {
				for _, r := range job.RelabelConfigs {
					if r.TargetLabel == "__address__" {
						asked = append(asked, r.Replacement)
					}
				}
			} else {
				for _, group := range job.StaticConfigs {
					asked = append(asked, group.Targets...)
				}
			}
			if len(asked) == 0 {
				t.Errorf("%s: %s asks nobody", file, job.JobName)
			}
			for _, address := range asked {
				if !strings.HasSuffix(address, ":15684") {
					t.Errorf("%s: %s asks %s", file, job.JobName, address)
				}
			}
		}
	}
}
