package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// TestAServicesConfigurationIsNotPassedOverInSilence: who runs a command by hand beside the service may think that it reads the same.
func TestAServicesConfigurationIsNotPassedOverInSilence(t *testing.T) {
	there := configFile(t, "catalogues: [izuma-us-east-1]\n")
	missing := filepath.Join(t.TempDir(), "config.yml")
	for name, test := range map[string]struct {
		common common
		told   bool
	}{
		"a service, and no file is named":  {common{installed: there}, true},
		"a service, and its file is named": {common{installed: there, configFile: there}, false},
		"no service":                       {common{installed: missing}, false},
		"nobody is to be told":             {common{}, false},
	} {
		var stdout, stderr bytes.Buffer
		if code := (&showConfig{&test.common}).run(t.Context(), &stdout, &stderr); code != exitOK {
			t.Errorf("%s: exit code %d\n%s", name, code, &stderr)
		}
		want := ""
		if test.told {
			want = "endpoint_exporter: the built-in catalogue is used, " + there + " is not: name it by --config.file=" + there + "\n"
		}
		if stderr.String() != want || !strings.HasPrefix(stdout.String(), "catalogues: []\n") {
			t.Errorf("%s: %q, want %q\n%s", name, &stderr, want, &stdout)
		}
	}
}
