//go:build release

package packaging

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// owner returns the identifier of the process that listens on an address, from the kernel's tables: the program that a
// test starts may start another one.
func owner(t *testing.T, address string) (pid string) {
	t.Helper()
	_, port, _ := strings.Cut(address, ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	// local address, remote address, state 0A (listening), ..., inode
	line := regexp.MustCompile(`0100007F:` + strings.ToUpper(strconv.FormatInt(0x10000+int64(number), 16)[1:]) + ` 00000000:0000 0A(?: +\S+){5} +(\d+)`)
	found := line.FindSubmatch(table)
	if found == nil {
		t.Fatalf("no process listens on %s:\n%s", address, table)
	}
	handles, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, handle := range handles {
		if to, err := os.Readlink(handle); err == nil && to == "socket:["+string(found[1])+"]" {
			return strings.Split(handle, "/")[2]
		}
	}
	t.Fatalf("no process has %s", address)
	return ""
}

// status returns the fields of one line of /proc/PID/status.
func status(t *testing.T, pid, key string) []string {
	t.Helper()
	data, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if name, value, _ := strings.Cut(line, ":"); name == key {
			return strings.Fields(value)
		}
	}
	t.Fatalf("process %s has no %s", pid, key)
	return nil
}

// chrooted starts a program in another root directory as the user and the group 65534.
func chrooted(root string) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

func runsAsNobody(t *testing.T, address string) {
	t.Helper()
	pid := owner(t, address)
	for _, key := range []string{"Uid", "Gid"} {
		for _, id := range status(t, pid, key) {
			if id != "65534" {
				t.Errorf("%s is %v", key, status(t, pid, key))
				break
			}
		}
	}
	if caps := status(t, pid, "CapEff"); strings.Trim(caps[0], "0") != "" {
		t.Errorf("it has capabilities %s", caps[0])
	}
}
