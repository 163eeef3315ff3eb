package path

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
)

func TestPhaseDeadline(t *testing.T) {
	for name, test := range map[string]struct {
		patience, wake, cancel, want time.Duration
		err                          error
	}{
		"wake first: silence":                     {time.Hour, time.Minute, 2 * time.Hour, time.Minute, errSilence},
		"patience first: silence":                 {time.Minute, time.Hour, 2 * time.Hour, time.Minute, errSilence},
		"round first: round over":                 {time.Hour, time.Hour, time.Minute, time.Minute, errRoundOver},
		"round over before: at once":              {time.Hour, time.Hour, 0, 0, errRoundOver},
		"no patience, wake before round: silence": {0, time.Minute, 2 * time.Hour, time.Minute, errSilence},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.cancel == 0 {
					cancel()
				}
				conn := &fakeConn{changed: make(chan struct{})}
				d, err := startPhase(ctx, conn, test.patience)
				if err != nil {
					t.Fatal(err)
				}
				defer d.release()
				synctest.Wait() // for the hook of a context that has ended
				started := time.Now()
				if err := d.wakeAt(started.Add(test.wake)); err != nil {
					t.Fatal(err)
				}
				defer time.AfterFunc(test.cancel, cancel).Stop()
				_, err = conn.Read(nil)
				if took := time.Since(started); took != test.want || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(d.cause(err), test.err) {
					t.Errorf("a read ended after %v (%v), want %v (%v)", took, d.cause(err), test.want, test.err)
				}
			})
		})
	}
}

// TestPingNotRepeatedAfterRound: if the end of the round looked like a time-out, the ping would be sent again.
func TestPingNotRepeatedAfterRound(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	conn := &fakeConn{changed: make(chan struct{})}
	deadline, err := startPhase(ctx, conn, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer deadline.release()
	d := &udpData{&udpSession{baseSession: baseSession{conn: sockclock.New(conn)}, client: devicedtls.New([32]byte{})}, deadline}
	if err := d.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(nil); !errors.Is(err, errRoundOver) || isTimeout(err) {
		t.Errorf("error %v, want errRoundOver, which is not a time-out", err)
	}
	if _, err := d.Write([]byte{1}); !errors.Is(err, errNotFinished) {
		t.Errorf("a ping before the session: %v", err)
	}
}
