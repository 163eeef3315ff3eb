package examples

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
)

// prometheus has the keys of Prometheus' configuration that the examples use.
type prometheus struct {
	Global struct {
		ScrapeInterval string            `yaml:"scrape_interval"`
		ScrapeTimeout  string            `yaml:"scrape_timeout"`
		ExternalLabels map[string]string `yaml:"external_labels"`
	}
	RuleFiles     []string `yaml:"rule_files"`
	ScrapeConfigs []job    `yaml:"scrape_configs"`
	Alerting      struct {
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

type job struct {
	JobName       string              `yaml:"job_name"`
	MetricsPath   string              `yaml:"metrics_path"`
	Params        map[string][]string `yaml:"params"`
	StaticConfigs []targets           `yaml:"static_configs"`
	HTTPSDConfigs []struct {
		URL string `yaml:"url"`
	} `yaml:"http_sd_configs"`
	RelabelConfigs []relabel `yaml:"relabel_configs"`
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

// exporters returns the addresses of the exporters that a job scrapes at /probe, and the site.
func (j job) exporters() (addresses []string, site string) {
	shards := 1
	for _, group := range j.StaticConfigs {
		site = group.Labels["site"]
	}
	for _, r := range j.RelabelConfigs {
		switch r.TargetLabel {
		case "site":
			site = r.Replacement
		case "__tmp_exporter":
			shards = r.Modulus
		case "__address__":
			for shard := range shards {
				addresses = append(addresses, strings.ReplaceAll(r.Replacement, "$1", strconv.Itoa(shard)))
			}
		}
	}
	return slices.Compact(addresses), site
}

func scrapeConfig(t *testing.T, name string) *prometheus {
	t.Helper()
	config := new(prometheus)
	decode(t, name, read(t, name), config)
	return config
}

// prometheusFiles returns the examples for Prometheus, including that of the Compose example.
func prometheusFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("prometheus-*.yml")
	if err != nil || len(files) < 5 {
		t.Fatalf("examples for Prometheus: %q, %v", files, err)
	}
	return append(files, "compose/prometheus.yml")
}

// TestEveryTargetIsAnExporter tests that every target, and every source of targets, is an exporter on its port.
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
				exporters, _ := job.exporters()
				asked = append(asked, exporters...)
			} else {
				for _, group := range job.StaticConfigs {
					asked = append(asked, group.Targets...)
				}
			}
			if len(asked) == 0 {
				t.Errorf("%s: %s has no target", file, job.JobName)
			}
			for _, address := range asked {
				if !strings.HasSuffix(address, ":15684") {
					t.Errorf("%s: %s asks %s", file, job.JobName, address)
				}
			}
		}
	}
}

// TestProbeExamplesScrapeExporters tests that an exporter that is scraped at /probe is also scraped for its own
// metrics, with collect[]=exporter, so that no round of all hosts is made.
func TestProbeExamplesScrapeExporters(t *testing.T) {
	probing := 0
	for _, file := range prometheusFiles(t) {
		asked, scraped := make(map[string]string), make(map[string]string) // an exporter's site
		jobs := scrapeConfig(t, file).ScrapeConfigs
		for _, job := range jobs {
			addresses, site := job.exporters()
			for _, address := range addresses {
				asked[address] = site
			}
		}
		if len(asked) == 0 {
			continue
		}
		probing++
		for _, job := range jobs {
			if job.MetricsPath != "" {
				continue
			}
			for _, group := range job.StaticConfigs {
				for _, address := range group.Targets {
					scraped[address] = group.Labels["site"]
				}
			}
			if !slices.Equal(job.Params["collect[]"], []string{"exporter"}) {
				t.Errorf("%s: %s makes further rounds: %v", file, job.JobName, job.Params)
			}
		}
		if !maps.Equal(asked, scraped) {
			t.Errorf("%s: asked at /probe are %v, scraped about themselves %v", file, asked, scraped)
		}
	}
	if probing < 3 {
		t.Errorf("only %d examples use /probe", probing)
	}
}

// TestExamplesScrapeAllMetrics tests that each example scrapes every metric that the rules and the dashboards read: a
// scrape at /probe has none about the exporter, and one with collect[]=exporter has no others.
func TestExamplesScrapeAllMetrics(t *testing.T) {
	rules, err := yaml.Marshal(decoded(t, "../../alerts/endpoint.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	readers := map[string][]byte{"endpoint.rules.yml": rules}
	for _, name := range []string{"overview", "endpoint", "exporter"} {
		readers[name+".json"] = read(t, "../../dashboards/"+name+".json")
	}
	of := make(map[string]bool) // metric: about the exporter
	for _, m := range collector.Metrics() {
		of[m.Name] = slices.Contains(collector.ExporterMetrics(), m.Name)
	}
	metric := regexp.MustCompile(`\bendpoint_[a-z_]+\b`)
	for _, file := range prometheusFiles(t) {
		var hosts, exporter bool
		for _, job := range scrapeConfig(t, file).ScrapeConfigs {
			switch {
			case job.MetricsPath == "/probe":
				hosts = true
			case slices.Equal(job.Params["collect[]"], []string{"exporter"}):
				exporter = true
			default:
				hosts, exporter = true, true
			}
		}
		for reader, text := range readers {
			found := 0
			for _, name := range metric.FindAllString(string(text), -1) {
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					if _, ok := of[name]; !ok {
						name = strings.TrimSuffix(name, suffix)
					}
				}
				about, known := of[name]
				if !known { // a group of rules, a part of a name in a text
					continue
				}
				found++
				if about && !exporter || !about && !hosts {
					t.Errorf("%s does not scrape %s, which %s reads", file, name, reader)
				}
			}
			if found < 10 {
				t.Errorf("%s reads only %d metrics", reader, found)
			}
		}
	}
}

// decoded returns the content of a YAML file without comments.
func decoded(t *testing.T, name string) any {
	t.Helper()
	var out any
	if err := yaml.Unmarshal(read(t, name), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
