package monitoring

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Await waits until a query of Prometheus yields anything; what says in words what is awaited.
func (s *Stack) Await(tb testing.TB, within time.Duration, what, expr string) {
	tb.Helper()
	s.Prometheus.await(tb, within, "/api/v1/query?query="+url.QueryEscape(expr), what+": "+expr, func(response *http.Response) error {
		var answer struct {
			Error string
			Data  struct{ Result []json.RawMessage }
		}
		err := json.NewDecoder(response.Body).Decode(&answer)
		switch {
		case err != nil:
			return err
		case answer.Error != "":
			return errors.New(answer.Error)
		case len(answer.Data.Result) == 0:
			return errors.New("no series")
		}
		return nil
	})
}
