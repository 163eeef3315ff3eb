//go:build release

package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// bootTime bounds the installation and the start of the service; it takes some seconds.
const bootTime = 5 * time.Minute

// TestServiceSandbox starts the installed unit by systemd in new namespaces: only this shows a sandbox
// in which the exporter cannot run.
func TestServiceSandbox(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, []byte(quiet), 0o600); err != nil {
		t.Fatal(err)
	}
	deb, err := filepath.Abs(only(t, "Linux Package", "deb"))
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "machine")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	machine := exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount", "--net", "--uts", "--ipc", "--cgroup",
		"testdata/boot", root, deb, config)
	var said bytes.Buffer
	machine.Stdout, machine.Stderr = &said, &said
	if err := machine.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = machine.Process.Kill() // takes all that runs there with it
		_ = machine.Wait()         // killed
		if t.Failed() {
			t.Logf("the machine said:\n%s", &said)
		}
	})

	inside := func(command string) (string, error) {
		pid := strconv.Itoa(machine.Process.Pid)
		first, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
		if err != nil {
			return "", err
		}
		args := []string{"--target=" + strings.TrimSpace(string(first)), "--mount", "--pid", "--net", "--cgroup", "--root", "--wd", "bash", "-c", command}
		out, err := exec.CommandContext(t.Context(), "nsenter", args...).CombinedOutput()
		return string(out), err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	end := time.After(bootTime)
	const ask = `exec 3<>/dev/tcp/127.0.0.1/15684 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3`
	var body string
	for !strings.Contains(body, "endpoint_exporter_build_info{") {
		select {
		case <-tick.C:
		case <-end:
			state, _ := inside("systemctl status --no-pager endpoint_exporter.service")
			t.Fatalf("no metrics after %s: %s\n%s", bootTime, body, state)
		}
		body, _ = inside(ask) // until it listens
	}
	if want := `endpoint_path_failure{class="blocked",host="127.0.0.1",port="1",reason="refused",service="nothing",transport="tcp"} 1`; !strings.Contains(body, want) {
		t.Errorf("the response is\n%s\nwithout %s", body, want)
	}

	const state = `systemctl is-enabled endpoint_exporter.service 2>/dev/null; systemctl is-active endpoint_exporter.service; true`
	for _, test := range []struct{ what, command, want string }{
		{
			"no capability, no new rights, system calls filtered",
			`grep -hE '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/$(systemctl show --property=MainPID --value endpoint_exporter.service)/status`,
			"CapBnd:\t0000000000000000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n",
		},
		{
			"a dynamic user",
			`p=$(systemctl show --property=MainPID --value endpoint_exporter.service); [ $(stat --format=%u /proc/$p) -ge 61184 ] && echo dynamic`, "dynamic\n",
		},
		{
			"memory bounded",
			`systemctl show --property=MemoryHigh,MemoryMax endpoint_exporter.service`, "MemoryHigh=201326592\nMemoryMax=268435456\n",
		},
		{
			"a reload, and an end in order",
			`systemctl reload endpoint_exporter.service && systemctl stop endpoint_exporter.service && systemctl show --property=Result,NRestarts endpoint_exporter.service`,
			"Result=success\nNRestarts=0\n",
		},
		{
			"stopped by hand, an upgrade leaves it so",
			`(systemctl enable endpoint_exporter.service; dpkg --install /package.deb) >/dev/null 2>&1; ` + state, "enabled\ninactive\n",
		},
		{
			"removed and installed again, it runs as it did",
			`systemctl start endpoint_exporter.service; (dpkg --remove endpoint-exporter; dpkg --install /package.deb) >/dev/null 2>&1; ` + state, "enabled\nactive\n",
		},
		{
			"disabled, removed and installed again, it stays as it was",
			`(systemctl disable --now endpoint_exporter.service; dpkg --remove endpoint-exporter; dpkg --install /package.deb) >/dev/null 2>&1; ` + state, "disabled\ninactive\n",
		},
		{
			"purged, it leaves nothing to be started",
			`(systemctl enable --now endpoint_exporter.service; dpkg --purge endpoint-exporter) >/dev/null 2>&1; find /etc/systemd/system -name endpoint_exporter.service; ` + state,
			"inactive\n",
		},
		{
			"purged and installed again, it is new",
			`dpkg --install /package.deb >/dev/null 2>&1; ` + state, "enabled\nactive\n",
		},
	} {
		got, err := inside(test.command)
		lines := strings.SplitAfter(got, "\n")
		if err != nil || !sameLines(lines, strings.SplitAfter(test.want, "\n")) {
			t.Errorf("%s: %v\n%s", test.what, err, got)
		}
	}
}

// sameLines compares without order: systemctl and the kernel have their own.
func sameLines(a, b []string) bool {
	seen := make(map[string]int)
	for _, line := range a {
		seen[line]++
	}
	for _, line := range b {
		seen[line]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return true
}
