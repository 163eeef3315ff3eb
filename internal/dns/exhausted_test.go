package dns

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestExchangeWithoutSockets(t *testing.T) {
	client := &Client{Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}}
	reply := client.Exchange(t.Context(), somewhere, Query{Name: "a.test.", Type: dns.TypeA, Recursive: true})
	if reply.Failure != measurement.DNSOutOfTime || reply.Detail.Kind != measurement.DNSDetailNoSocket {
		t.Errorf("%q (%+v)", reply.Failure, reply.Detail)
	}
}
