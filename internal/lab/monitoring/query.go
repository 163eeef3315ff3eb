package monitoring

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Await waits until a query of Prometheus yields anything; what says in words what is awaited.
func (s *Stack) Await(tb testing.TB, within time.Duration, what, expr string) {
	tb.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(within); ; {
		found, err := s.ask(tb, &client, expr)
		if err == nil && found > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			tb.Fatalf("not in %s: %s: %s: %v", within, what, expr, err)
		}
	}
}

// ask counts the series that a query yields.
func (s *Stack) ask(tb testing.TB, client *http.Client, expr string) (int, error) {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, s.Prometheus.URL("/api/v1/query?query="+url.QueryEscape(expr)), http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Error != "" {
		return 0, fmt.Errorf("prometheus: %s", answer.Error)
	}
	return len(answer.Data.Result), nil
}
