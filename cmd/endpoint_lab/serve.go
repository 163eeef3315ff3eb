package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Bounds of the lab's own HTTP servers.
const (
	requestTimeout = 10 * time.Second
	drainTimeout   = 2 * time.Second
)

// serve answers HTTP on a listener until ctx ends, and lets the requests in progress finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drain, done := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer done()
	if server.Shutdown(drain) != nil {
		_ = server.Close() // a client keeps a request open
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
