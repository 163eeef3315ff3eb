package main

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// maxRendering bounds the responses that are made at once; the others wait. Making one takes milliseconds of
	// processor time and never waits for a client.
	maxRendering = 8
	// maxUnread bounds the bytes of all finished responses that clients have not received yet.
	maxUnread = 32 << 20
)

// responses bounds the memory and the processor time of large responses. A response is made in memory first and then
// sent, so that a client that does not read delays no other client.
type responses struct {
	rendering chan struct{}

	mu     sync.Mutex
	unread []*unreadResponse // oldest first
	held   int               // bytes of unread
}

// unreadResponse is a finished response that is being sent.
type unreadResponse struct {
	size       int
	connection *http.ResponseController
}

func newResponses() *responses { return &responses{rendering: make(chan struct{}, maxRendering)} }

// send makes a response with render and sends it. If the client has gone it does nothing. The error is that of the
// connection.
func (a *responses) send(w http.ResponseWriter, r *http.Request, render func(http.ResponseWriter)) error {
	select {
	case a.rendering <- struct{}{}:
	case <-r.Context().Done():
		return r.Context().Err()
	}
	response := &rendered{header: w.Header(), code: http.StatusOK}
	func() {
		defer func() { <-a.rendering }()
		render(response)
	}()
	current := a.add(response.body.Cap(), http.NewResponseController(w))
	defer a.remove(current)
	defer beginResponse(r.Context())()
	w.Header().Set("Content-Length", strconv.Itoa(response.body.Len()))
	w.WriteHeader(response.code)
	_, err := w.Write(response.body.Bytes())
	return err
}

// add registers a response. If too many bytes are unread it ends the connections that have had the longest time to
// read theirs.
func (a *responses) add(size int, connection *http.ResponseController) *unreadResponse {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.held+size > maxUnread && len(a.unread) > 0 {
		oldest := a.unread[0]
		a.unread, a.held = a.unread[1:], a.held-oldest.size
		_ = oldest.connection.SetWriteDeadline(time.Unix(1, 0)) // its Write fails
	}
	current := &unreadResponse{size: size, connection: connection}
	a.unread, a.held = append(a.unread, current), a.held+size
	return current
}

// remove unregisters a response, unless add has done so.
func (a *responses) remove(done *unreadResponse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.unread, done); i >= 0 {
		a.unread, a.held = slices.Delete(a.unread, i, i+1), a.held-done.size
	}
}

// rendered is a response in memory. It implements [http.ResponseWriter].
type rendered struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *rendered) Header() http.Header         { return r.header }
func (r *rendered) WriteHeader(code int)        { r.code = code }
func (r *rendered) Write(p []byte) (int, error) { return r.body.Write(p) }
