package path

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
)

func TestABoundEndsReadsThatWereToWakeLater(t *testing.T) {
	for name, test := range map[string]struct {
		patience, wake, cancel, want time.Duration
		err                          error
	}{
		"at the time to wake":            {time.Hour, time.Minute, 2 * time.Hour, time.Minute, errSilence},
		"at the end of patience":         {time.Minute, time.Hour, 2 * time.Hour, time.Minute, errSilence},
		"when the round ends":            {time.Hour, time.Hour, time.Minute, time.Minute, errRoundOver},
		"at once when the round is over": {time.Hour, time.Hour, 0, 0, errRoundOver},
		"without patience of its own":    {0, time.Minute, 2 * time.Hour, time.Minute, errSilence},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.cancel == 0 {
					cancel()
				}
				conn := &fakeConn{changed: make(chan struct{})}
				b, err := newBound(ctx, conn, test.patience)
				if err != nil {
					t.Fatal(err)
				}
				defer b.release()
				synctest.Wait() // for what the end of the round sets
				begun := time.Now()
				if err := b.wake(begun.Add(test.wake)); err != nil {
					t.Fatal(err)
				}
				defer time.AfterFunc(test.cancel, cancel).Stop()
				_, err = conn.Read(nil)
				if took := time.Since(begun); took != test.want || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(b.of(err), test.err) {
					t.Errorf("a read ended after %v (%v), want %v (%v)", took, b.of(err), test.want, test.err)
				}
			})
		})
	}
}

// TestAPingIsNotRepeatedAfterTheRound: an end of the round that looked like a time-out would be one to repeat after.
func TestAPingIsNotRepeatedAfterTheRound(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	conn := &fakeConn{changed: make(chan struct{})}
	b, err := newBound(ctx, conn, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer b.release()
	d := &udpData{&udpSession{walk: walk{conn: conn}, client: devicedtls.New([32]byte{})}, b}
	if err := d.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(nil); !errors.Is(err, errRoundOver) || isTimeout(err) {
		t.Errorf("error %v, want errRoundOver, which is no time-out", err)
	}
	if _, err := d.Write([]byte{1}); !errors.Is(err, errNotFinished) {
		t.Errorf("a ping before the session: %v", err)
	}
}
