//go:build realpeers && linux

package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
)

// namespace is a network without a way to this machine's network. It has its own /etc.
type namespace struct {
	calls chan func() // run by the thread that is in the namespace
}

// newNamespace creates a namespace with the interface d0, at whose other end nothing answers, and the commands of ip(8)
// that configure it. It ends with the test.
func newNamespace(t testing.TB, commands []string, etc map[string]string) *namespace {
	t.Helper()
	n := &namespace{calls: make(chan func())}
	t.Cleanup(func() { close(n.calls) })
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is in the namespace, and ends with this goroutine
		ready <- enter(commands, etc)
		for call := range n.calls {
			call()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	return n
}

// enter moves the thread into new namespaces and configures them.
func enter(commands []string, etc map[string]string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	for _, command := range append([]string{"link set lo up", "link add d0 type veth peer name d1", "link set d0 addrgenmode none", "link set d1 up", "link set d0 up"}, commands...) {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, out)
		}
	}
	err := errors.Join(
		unix.Sethostname([]byte("device")), // a dot in it would be a search domain
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("tmpfs", "/etc", "tmpfs", 0, ""),
		unix.Mount("tmpfs", "/run", "tmpfs", 0, ""), // nscd and systemd-resolved listen there
	)
	for name, content := range etc {
		err = errors.Join(err, os.WriteFile(filepath.Join("/etc", name), []byte(content), 0o600))
	}
	return err
}

// do calls a function in the namespace and waits for it.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// dial opens a connection in the namespace.
func (n *namespace) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	n.do(func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) })
	return conn, err
}

// Source is [route.Uplink.Source] in the namespace.
func (n *namespace) Source(remote netip.AddrPort) (local netip.Addr, ok bool) {
	n.do(func() { local, ok = route.Uplink{}.Source(remote) })
	return local, ok
}

// HasRoute is [route.Uplink.HasRoute] in the namespace.
func (n *namespace) HasRoute(network string, remote netip.AddrPort) (ok bool) {
	n.do(func() { ok = route.Uplink{}.HasRoute(network, remote) })
	return ok
}

// output runs a program in the namespace and returns what it prints.
func (n *namespace) output(ctx context.Context, program string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, program, args...)
	var out strings.Builder
	command.Stdout, command.Stderr = &out, &out
	var err error
	n.do(func() { err = command.Start() })
	if err == nil {
		err = command.Wait()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, out.String())
	}
	return strings.TrimSpace(out.String()), nil
}
