package memory

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestConstants(t *testing.T) {
	const page = "Rss: 4 kB\nAnonymous: 0 kB\nSwap: 0 kB\nVmFlags: rd mr mw me\n"
	tests := []struct {
		name  string
		smaps string
		want  []span
	}{
		{"nothing is mapped", "", nil},
		{"constants", "1000-3000 r--p 00001000 fe:00 7   /bin/x\n" + page, []span{{0x1000, 0x3000}}},
		{"a path with a colon and a space", "1000-3000 r--p 00001000 fe:00 7   /a: b\n" + page, []span{{0x1000, 0x3000}}},
		{"the last of several", "1000-2000 r-xp 0 fe:00 7 /bin/x\n" + page + "2000-3000 r--p 1000 fe:00 7 /bin/x\n" + page, []span{{0x2000, 0x3000}}},
		{"code, where a breakpoint may be", "1000-3000 r-xp 0 fe:00 7 /bin/x\n" + page, nil},
		{"variables", "1000-3000 rw-p 0 fe:00 7 /bin/x\n" + page, nil},
		{"shared with another process", "1000-3000 r--s 0 fe:00 7 /bin/x\n" + page, nil},
		{"no file behind it", "1000-3000 r--p 00000000 00:00 0\n" + page, nil},
		{"the kernel's own", "7000-8000 r--p 00000000 00:00 0 [vvar]\n" + page, nil},
		{"relocated, then made read-only", "1000-3000 r--p 0 fe:00 7 /bin/x\nAnonymous: 4 kB\nSwap: 0 kB\n", nil},
		{"relocated, then swapped out", "1000-3000 r--p 0 fe:00 7 /bin/x\nAnonymous: 0 kB\nSwap: 4 kB\n", nil},
		{"a kernel that does not say", "1000-3000 r--p 0 fe:00 7 /bin/x\nRss: 4 kB\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := constants(strings.NewReader(test.smaps))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%x and %v, want %x", got, err, test.want)
			}
		})
	}
}

func TestConstantsSaysWhatItCannotRead(t *testing.T) {
	for _, smaps := range []string{"what is this", "1000-3000 r--p 0 fe:00 7 /bin/x\nAnonymous: many kB\n"} {
		if got, err := constants(strings.NewReader(smaps)); err == nil {
			t.Errorf("%q: %v and no error", smaps, got)
		}
	}
}

// TestReleaseLosesNothing maps a file twice, as a linker does: once for constants, once to relocate and then protect.
func TestReleaseLosesNothing(t *testing.T) {
	const size = 8 << 20
	original := bytes.Repeat([]byte("constant"), size/8)
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, original, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	mapped := func(protection int) []byte {
		bytes, err := unix.Mmap(int(file.Fd()), 0, size, protection, unix.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Munmap(bytes); err != nil {
				t.Error(err)
			}
		})
		return bytes
	}
	kept := mapped(unix.PROT_READ)
	relocated := mapped(unix.PROT_READ | unix.PROT_WRITE)
	copy(relocated[size/2:], "relocated")
	if err := unix.Mprotect(relocated, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, original) {
		t.Fatal("the file is not mapped")
	}

	before := residentPages(t)
	if err := Release(); err != nil {
		t.Fatal(err)
	}
	if released := before - residentPages(t); released < size/os.Getpagesize() {
		t.Errorf("%d pages released, fewer than the %d that were mapped", released, size/os.Getpagesize())
	}
	if !bytes.Equal(kept, original) {
		t.Error("constants are not what they were")
	}
	if !bytes.HasPrefix(relocated[size/2:], []byte("relocated")) {
		t.Error("what was written before the protection is lost")
	}
}

// residentPages counts those that come from files (proc_pid_statm(5), the third field).
func residentPages(t *testing.T) int {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[2])
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
