//go:build release

package packaging

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// store is the image store of one test: the global arguments of buildah, which builds and runs images without an engine
// and without pulling.
type store []string

func newStore(t *testing.T) store {
	t.Helper()
	if _, err := exec.LookPath("buildah"); err != nil {
		t.Fatalf("this test needs Debian's buildah: %v", err)
	}
	dir := t.TempDir()
	return store{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}
}

func (s store) command(args ...string) []string { return append(slices.Clone(s), args...) }

func (s store) run(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "buildah", s.command(args...)...))
}

// layOut copies the binaries to where the release's build of the image expects them: a directory with the platform's
// name.
func layOut(t *testing.T) (dir string, images []string) {
	t.Helper()
	dir = t.TempDir()
	for _, a := range released(t, "Binary") {
		if a.Goos != "linux" || a.Extra.ID != "endpoint_exporter" { // the image is not for routers
			continue
		}
		platform := a.Goos + "/" + a.Goarch
		if a.Goarm != "" {
			platform += "/v" + a.Goarm
		}
		images = append(images, platform)
		into := filepath.Join(dir, platform)
		if err := os.MkdirAll(into, 0o755); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(a.Path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(into, "endpoint_exporter"), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(images)
	return dir, images
}

// image is the configuration of an image, as a registry stores it.
type image struct {
	Architecture, Variant, OS string
	Config                    struct {
		User, WorkingDir       string
		Entrypoint, Cmd, Shell []string
		ExposedPorts           map[string]struct{}
		Labels                 map[string]string
	}
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	}
}

// TestImageIsBuiltAndRun builds the image of every platform as a release would, and runs the one of this machine as the
// user that it names, in its own empty root.
func TestImageIsBuiltAndRun(t *testing.T) {
	s := newStore(t)
	dir, due := layOut(t)
	release := about(t)
	s.run(t, "bud", "--isolation=chroot", "--pull-never", "--platform="+strings.Join(due, ","), "--manifest=exporter",
		"--build-arg=FROM_STAGE=prebuilt", "--build-arg=VERSION="+release.Version, "--build-arg=REVISION="+release.Commit,
		"--label=org.opencontainers.image.created=2026-01-02T03:04:05Z", "--file=../Dockerfile", dir)

	var built []string
	var own string
	for _, id := range strings.Fields(s.run(t, "images", "--all", "--quiet", "--no-trunc")) {
		var told struct{ OCIv1 image }
		if err := json.Unmarshal([]byte(s.run(t, "inspect", "--type=image", id)), &told); err != nil {
			continue // not an image
		}
		i := told.OCIv1
		if len(i.Config.Entrypoint) == 0 {
			continue // a stage in between
		}
		platform := strings.TrimSuffix(i.OS+"/"+i.Architecture+"/"+i.Variant, "/")
		built = append(built, platform)
		if platform == "linux/amd64" {
			own = id
		}
		checkImage(t, platform, i)
	}
	slices.Sort(built)
	built = slices.Compact(built) // the list of all three is told as the one for this machine
	if !slices.Equal(built, due) {
		t.Fatalf("images for %q, not %q", built, due)
	}

	container := s.run(t, "from", "--pull-never", own)
	root := s.run(t, "mount", container)
	holds(t, root)
	// buildah runs as the user of the image, but kills the process instead of passing SIGTERM on, so that what serves
	// is started in the same root without it.
	checkVersion(t, s.run(t, "run", "--isolation=chroot", container, "/endpoint_exporter", "--version"))
	startAsKubernetesDoes(t, root)
}

// podSpec is what Kubernetes takes from the rendering of the Helm chart to start the exporter.
type podSpec struct {
	SecurityContext struct {
		RunAsUser  uint32 `yaml:"runAsUser"`
		RunAsGroup uint32 `yaml:"runAsGroup"`
	} `yaml:"securityContext"`
	Containers []struct {
		Image string
		Args  []string
		Env   []struct{ Name, Value string }
		Ports []struct {
			ContainerPort int `yaml:"containerPort"`
		}
		VolumeMounts []struct {
			MountPath string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
		ReadinessProbe struct {
			HTTPGet struct{ Path string } `yaml:"httpGet"`
		} `yaml:"readinessProbe"`
	}
}

func renderedPod(t *testing.T) podSpec {
	t.Helper()
	for document := range strings.SplitSeq(readFile(t, "../docs/examples/kubernetes/endpoint-exporter.yml"), "\n---\n") {
		var workload struct {
			Kind string
			Spec struct{ Template struct{ Spec podSpec } }
		}
		if err := yaml.Unmarshal([]byte(document), &workload); err != nil {
			t.Fatal(err)
		}
		if workload.Kind == "DaemonSet" {
			return workload.Spec.Template.Spec
		}
	}
	t.Fatal("the rendering has no DaemonSet")
	return podSpec{}
}

// startAsKubernetesDoes starts the exporter in the root of the image with the user, the arguments, the environment and
// the configuration file of the chart's rendering, and asks it at the rendering's port. It differs from a pod in that
// it listens on loopback only.
func startAsKubernetesDoes(t *testing.T, root string) {
	t.Helper()
	pod := renderedPod(t)
	container := pod.Containers[0]
	if !strings.HasPrefix(container.Image, "ghcr.io/endpoint-exporter/endpoint_exporter:") {
		t.Errorf("the rendering's image is %s", container.Image)
	}
	mount := filepath.Join(root, container.VolumeMounts[0].MountPath)
	if err := os.MkdirAll(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mount, "config.yml"), []byte(quiet), 0o644); err != nil {
		t.Fatal(err)
	}
	args := slices.Clone(container.Args)
	for i, arg := range args {
		args[i] = strings.Replace(arg, "--web.listen-address=:", "--web.listen-address=127.0.0.1:", 1)
	}
	command := exec.Command("/endpoint_exporter", args...)
	command.Dir = "/"
	command.Env = []string{}
	for _, variable := range container.Env {
		command.Env = append(command.Env, variable.Name+"="+variable.Value)
	}
	command.SysProcAttr = chrooted(root)
	command.SysProcAttr.Credential = &syscall.Credential{Uid: pod.SecurityContext.RunAsUser, Gid: pod.SecurityContext.RunAsGroup}
	address := program.Start(t, command)
	if want := net.JoinHostPort("127.0.0.1", strconv.Itoa(container.Ports[0].ContainerPort)); address != want {
		t.Errorf("it listens on %s, the rendering's port is at %s", address, want)
	}
	if status, _ := get(t, "http://"+address+container.ReadinessProbe.HTTPGet.Path); status != http.StatusOK {
		t.Errorf("the readiness probe gets status %d", status)
	}
	scrapeOnce(t, address)
	runsAsNobody(t, address)
}

func checkImage(t *testing.T, platform string, i image) {
	t.Helper()
	c := i.Config
	if c.User != "65534:65534" || !slices.Equal(c.Entrypoint, []string{"/endpoint_exporter"}) || len(c.Cmd) > 0 || len(c.Shell) > 0 {
		t.Errorf("%s: user %q, entry point %q, command %q, shell %q", platform, c.User, c.Entrypoint, c.Cmd, c.Shell)
	}
	if _, ok := c.ExposedPorts["15684/tcp"]; !ok || len(c.ExposedPorts) != 1 {
		t.Errorf("%s exposes %v", platform, c.ExposedPorts)
	}
	if len(i.RootFS.DiffIDs) != 1 {
		t.Errorf("%s has %d layers", platform, len(i.RootFS.DiffIDs))
	}
	release := about(t)
	for label, want := range map[string]string{
		"title": "endpoint_exporter", "licenses": "Apache-2.0", "version": release.Version, "revision": release.Commit,
		"created": "2026-01-02T03:04:05Z", "source": "https://github.com/endpoint-exporter/endpoint_exporter",
	} {
		if got := c.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("%s: label %s is %q, not %q", platform, label, got, want)
		}
	}
	if c.Labels["org.opencontainers.image.description"] == "" || c.Labels["org.opencontainers.image.documentation"] == "" {
		t.Errorf("%s: labels %v", platform, c.Labels)
	}
}

// TestImageWithoutDateHasNoDateLabel builds with no arguments but the binary: the label is absent, not empty.
func TestImageWithoutDateHasNoDateLabel(t *testing.T) {
	s := newStore(t)
	dir, _ := layOut(t)
	s.run(t, "bud", "--isolation=chroot", "--pull-never", "--build-arg=FROM_STAGE=prebuilt", "--build-arg=BINARY=linux/amd64/endpoint_exporter",
		"--tag=exporter", "--file=../Dockerfile", dir)
	var told struct{ OCIv1 image }
	if err := json.Unmarshal([]byte(s.run(t, "inspect", "--type=image", "exporter")), &told); err != nil {
		t.Fatal(err)
	}
	if created, ok := told.OCIv1.Config.Labels["org.opencontainers.image.created"]; ok {
		t.Errorf("created %q", created)
	}
}

// TestMakeImageVersion reads what make would run: a version, a revision and a date that are known, and the
// date as the label wants it (RFC 3339).
func TestMakeImageVersion(t *testing.T) {
	said := run(t, "make", "--silent", "--directory=..", "image", "DOCKER=echo")
	for argument, value := range map[string]string{
		"--build-arg VERSION":  run(t, "git", "describe", "--tags", "--always", "--dirty"),
		"--build-arg REVISION": run(t, "git", "rev-parse", "HEAD"),
	} {
		if want := argument + "=" + strings.TrimSpace(value) + " "; !strings.Contains(said, want) {
			t.Errorf("make image prints %swithout %s", said, want)
		}
	}
	_, rest, _ := strings.Cut(said, "--label org.opencontainers.image.created=")
	date, _, _ := strings.Cut(rest, " ")
	if _, err := time.Parse(time.RFC3339, date); err != nil {
		t.Errorf("make image prints %s: %v", said, err)
	}
	if said := run(t, "make", "--silent", "--directory=..", "image", "DOCKER=echo", "DATE=unknown"); strings.Contains(said, "--label") {
		t.Errorf("without a date, make image prints %s", said)
	}
}

// holds checks that the image has no file but the binary.
func holds(t *testing.T, root string) {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != "endpoint_exporter" {
		t.Errorf("the image has %v", entries)
	}
}
