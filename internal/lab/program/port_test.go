package program

import (
	"net"
	"testing"
)

func TestFree(t *testing.T) {
	at := FreePort(t)
	if !free(int(at.Port())) {
		t.Fatalf("%v is not free", at)
	}
	elsewhere := net.IPv4(127, 0, 0, 2)
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: elsewhere, Port: int(at.Port())})
	if err != nil {
		t.Fatal(err)
	}
	if free(int(at.Port())) {
		t.Error("it is in use for UDP")
	}
	_ = udp.Close()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: elsewhere, Port: int(at.Port())})
	if err != nil {
		t.Fatal(err)
	}
	if free(int(at.Port())) {
		t.Error("it is in use for TCP")
	}
	_ = tcp.Close()
}
