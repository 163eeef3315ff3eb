package packaging

import (
	"os"
	"regexp"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
)

// TestConfigurationIsGood reads the installed configuration as it is, and with what it offers as a comment.
func TestConfigurationIsGood(t *testing.T) {
	data, err := os.ReadFile("config.yml")
	if err != nil {
		t.Fatal(err)
	}
	offered := regexp.MustCompile(`(?m)^#(\w+:)`).ReplaceAll(data, []byte("$1"))
	if string(offered) == string(data) {
		t.Error("nothing is offered")
	}
	for _, text := range [][]byte{data, offered} {
		if cfg, err := config.Parse(text, t.TempDir()); err != nil || len(cfg.Endpoints) == 0 {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}
