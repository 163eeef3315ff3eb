package docs

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
)

// TestCatalogueKeys compares the hashes of catalogue-keys.md with the keys of the built-in catalogue.
func TestCatalogueKeys(t *testing.T) {
	cfg, err := config.Parse([]byte("catalogues: [izuma-us-east-1]\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` .*`([0-9a-f]{64})` \\|$").FindAllStringSubmatch(read(t, "catalogue-keys.md"), -1) {
		documented[row[1]] = row[2]
	}
	for name, anchor := range cfg.Trust {
		if anchor.PublicKey == "" {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(anchor.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(key)); documented[name] != got {
			t.Errorf("%s: documented is %q, the key's hash is %s", name, documented[name], got)
		}
		delete(documented, name)
	}
	if len(documented) > 0 {
		t.Errorf("documented, and not in the catalogue: %v", documented)
	}
}
