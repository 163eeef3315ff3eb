package dns

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestAMachineWithoutSocketsSaysNothingOfTheServer(t *testing.T) {
	client := &Client{Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}}
	reply := client.Exchange(t.Context(), somewhere, Query{Name: "a.test.", Type: dns.TypeA, Recursive: true})
	if reply.Failure != measurement.DNSOutOfTime || !strings.Contains(reply.Detail.Text, "no socket left") {
		t.Errorf("%q (%s)", reply.Failure, reply.Detail.Text)
	}
}
