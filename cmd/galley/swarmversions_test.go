package main

import (
	"net"

	"github.com/rogpeppe/go-internal/testscript"
)

// emptydns: $DNS is a DNS server that knows no name.
func emptyDNS(ts *testscript.TestScript, _ bool, _ []string) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if n < 12 {
				continue
			}
			reply := append([]byte{}, buffer[:n]...)
			reply[2], reply[3] = 0x84, 0x83 // an answer: no such name (RFC 1035, section 4.1.1)
			reply[10], reply[11] = 0, 0     // nothing additional
			_, _ = conn.WriteTo(reply[:question(reply)], from)
		}
	}()
	ts.Setenv("DNS", conn.LocalAddr().String())
}

// question is where the first question of a message ends.
func question(message []byte) int {
	at := 12
	for at < len(message) && message[at] != 0 {
		at += 1 + int(message[at])
	}
	return min(at+5, len(message))
}
