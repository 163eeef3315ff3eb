package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestListCommand(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"list"}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	for _, f := range lab.Faults() {
		if !strings.Contains(stdout.String(), f.Does) {
			t.Errorf("the list does not contain %s", f.Name)
		}
	}
	for _, h := range lab.HabitList() {
		if !strings.Contains(stdout.String(), h.Does) {
			t.Errorf("the list does not contain %s", h.Name)
		}
	}
	for line := range strings.Lines(stdout.String()) {
		if columns := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); columns > 80 {
			t.Errorf("%d columns: %s", columns, line)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--nonsense"}, "try --help"},
		{[]string{"--fault=bootstrap"}, "--fault=bootstrap: want HOST=FAULT"},
		{[]string{"--fault=bootstrap="}, "--fault=bootstrap=: want HOST=FAULT"},
		{[]string{"--fault=bootstrap=typo"}, `--fault=bootstrap=typo: invalid fault: "typo"; the command list lists them`},
		{[]string{"--fault=nowhere=drop"}, `no such path in the lab: "nowhere"; known are resolver, bootstrap/tcp:5684, bootstrap/udp:5684, bootstrap/tcp:443, containers/tcp:443,`},
		{[]string{"--fault=gateways/udp=drop"}, `no such path in the lab: "gateways/udp"; known are resolver, gateways/tcp:443` + "\n"},
		{[]string{"--addresses=20", "--fault=udp-lwm2m@192.0.2.1=drop"}, `; known are resolver, udp-lwm2m@127.`},
		{[]string{"--fault=resolver=typo"}, `no such habit of a resolver: "typo"; the command list lists them`},
		{[]string{"--timetable=soon:bootstrap=drop"}, "is not AFTER:HOST=FAULT"},
		{[]string{"--timetable=5s:bootstrap="}, "is not AFTER:HOST=FAULT"},
		{[]string{"--timetable=-5s:bootstrap=drop"}, `--timetable: "-5s:bootstrap=drop": the time must not be negative`},
		{[]string{"--timetable=5s:bootstrap=typo"}, `--timetable: 5s: bootstrap=typo: invalid fault: "typo"`},
		{[]string{"--addresses=0"}, `--addresses: "0" is not a whole number from 1 to 256`},
		{[]string{"--ttl=0"}, `--ttl: "0" is not a whole number from 1 to 2147483647`},
		{[]string{"--web-port=70000"}, `--web-port: "70000" is not a whole number from 0 to 65535`},
		{[]string{"--idle-limit=-1s"}, `--idle-limit: "-1s" is not a duration such as 30s, or 0s for none`},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), test.args, &stdout, &stderr); code != exitUsage {
			t.Errorf("%v: exit %d, want %d", test.args, code, exitUsage)
		}
		if !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%v: stderr %q, want %q", test.args, &stderr, test.want)
		}
	}
}

func TestParseTimetable(t *testing.T) {
	got, err := parseTimetable("2m:lwm2m/udp=slow:50ms, 60s:bootstrap/tcp:443=intercept,")
	want := []change{{time.Minute, "bootstrap/tcp:443", "intercept"}, {2 * time.Minute, "lwm2m/udp", "slow:50ms"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestControl runs the program, waits for a fault of the timetable, sets another by the control server, and stops the
// program.
func TestControl(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	config := filepath.Join(t.TempDir(), "lab.yml")
	reader, stderr := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"--config-out", config, "--control=127.0.0.1:0", "--fault=gateways=refuse",
			"--timetable=1ms:bootstrap/tcp:5684=intercept"}, io.Discard, stderr)
		stderr.Close()
	}()

	var url string
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if after, ok := strings.CutPrefix(lines.Text(), "control: "); ok {
			url = strings.TrimSuffix(after, "/faults")
		}
		if strings.Contains(lines.Text(), "=intercept") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()

	written, err := os.ReadFile(config)
	if err != nil || !bytes.Contains(written, []byte("host: bootstrap.us-east-1.mbedcloud.com")) {
		t.Errorf("configuration: %v\n%s", err, written)
	}
	for _, test := range []struct {
		where, fault string
		code         int
		text         string
	}{
		{"lwm2m/udp", "drop\n", http.StatusNoContent, ""},
		{"nowhere", "drop\n", http.StatusBadRequest, "known are resolver, bootstrap/tcp:5684"},
		{"gateways", "", http.StatusBadRequest, "must be a fault"},
	} {
		if code, body := do(t, http.MethodPut, url+"/fault/"+test.where, test.fault); code != test.code || !strings.Contains(body, test.text) {
			t.Errorf("PUT %s: %d %s", test.where, code, body)
		}
	}
	_, table := do(t, http.MethodGet, url+"/faults", "")
	for _, want := range []string{"refuse", "intercept", "drop"} {
		if strings.Count(table, want) == 0 {
			t.Errorf("GET /faults shows no %s:\n%s", want, table)
		}
	}
	if _, got := do(t, http.MethodGet, url+"/config", ""); got != string(written) {
		t.Errorf("GET /config differs from the file:\n%s", got)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if code := <-exit; code != exitOK {
		t.Errorf("exit %d, want %d", code, exitOK)
	}
}

func do(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestPagesCommand(t *testing.T) {
	var printed bytes.Buffer
	pager := receiver(&printed, func() time.Time { return time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC) })
	post := func(body string) int {
		recorder := httptest.NewRecorder()
		pager.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body)))
		return recorder.Code
	}
	for _, test := range []struct{ name, body, want string }{
		{"one alert", `{"receiver":"page","alerts":[
			{"status":"firing","labels":{"alertname":"EndpointIntercepted","site":"demo","host":"a.example"},"annotations":{"summary":"S","description":"D."}}]}`,
			`03:00:00  PAGE  EndpointIntercepted  site demo: 1 firing
    S
      a.example
    D.
`},
		{"several, of which one is over", `{"receiver":"ticket","alerts":[
			{"status":"resolved","labels":{"alertname":"EndpointPathBlocked","instance":"gw:1","host":"a.example","transport":"udp","port":"5684"},"annotations":{"description":"Old."}},
			{"status":"firing","labels":{"alertname":"EndpointPathBlocked","instance":"gw:1","host":"b.example","transport":"tcp","port":"443"},"annotations":{"summary":"S","description":"D."}}]}`,
			`03:00:00  TICKET  EndpointPathBlocked  instance gw:1: 1 firing, 1 resolved
    S
      a.example udp 5684: resolved
      b.example tcp 443
    D.
`},
		{"all is over", `{"receiver":"page","alerts":[
			{"status":"resolved","labels":{"alertname":"EndpointDnsStaleAtManySites","host":"a.example"},"annotations":{"summary":"S","description":"D."}}]}`,
			`03:00:00  PAGE  EndpointDnsStaleAtManySites  1 resolved
      a.example
`},
		{"many", `{"receiver":"page","alerts":[` + strings.Repeat(`{"status":"firing","labels":{"alertname":"A","instance":"gw:1"},"annotations":{"summary":"S","description":"D."}},`, 11) +
			`{"status":"firing","labels":{"alertname":"A","instance":"gw:1"}}]}`,
			"03:00:00  PAGE  A  instance gw:1: 12 firing\n    S\n" + strings.Repeat("      gw:1\n", 10) + "      and 2 more\n    D.\n"},
	} {
		printed.Reset()
		if code := post(test.body); code != http.StatusOK {
			t.Errorf("%s: status %d", test.name, code)
		}
		if printed.String() != test.want {
			t.Errorf("%s: printed\n%swant\n%s", test.name, &printed, test.want)
		}
	}
	if code := post("no JSON"); code != http.StatusBadRequest {
		t.Errorf("not a notification: status %d", code)
	}
}
