package rules

import (
	"strconv"
	"strings"
)

// portSpec is the short form of a port: [address:][published:]target[/protocol].
type portSpec struct {
	address, published, target stretch
	protocol                   string
	publishes, targets         ports
	// trouble says what docker refuses it for.
	trouble string
	place   stretch // of the trouble
}

// ports are the numbers from first to last, none for the zero value.
type ports struct{ first, last int }

func (p ports) len() int {
	if p.first == 0 {
		return 0
	}
	return p.last - p.first + 1
}

// maxPorts bounds what ranges of ports become.
const maxPorts = 65536

// readPorts reads the short form. ok is false when docker refuses it.
func readPorts(text string) (spec portSpec, ok bool) {
	spec.protocol = "tcp"
	all := stretch{text, 0, len(text)}
	rest := text
	if slash := strings.LastIndexByte(text, '/'); slash >= 0 {
		rest, spec.protocol = text[:slash], strings.ToLower(text[slash+1:])
		if spec.protocol != "tcp" && spec.protocol != "udp" && spec.protocol != "sctp" {
			spec.trouble, spec.place = "is no protocol; expected tcp, udp or sctp", stretch{text[slash+1:], slash + 1, len(text)}
			return spec, false
		}
	}
	colon := strings.LastIndexByte(rest, ':')
	spec.target = stretch{rest[colon+1:], colon + 1, len(rest)}
	if colon >= 0 {
		before := strings.LastIndexByte(rest[:colon], ':')
		spec.published = stretch{rest[before+1 : colon], before + 1, colon}
		if before >= 0 {
			spec.address = stretch{rest[:before], 0, before}
		}
	}
	for _, part := range []struct {
		stretch
		numbers *ports
		needed  bool
	}{{spec.published, &spec.publishes, false}, {spec.target, &spec.targets, true}} {
		if part.text == "" && !part.needed {
			continue
		}
		numbers, good := portRange(part.text)
		if !good {
			spec.trouble, spec.place = "is no port; expected a number from 1 to 65535, or a range of them", part.stretch
			if part.text == "" {
				spec.place = all
			}
			return spec, false
		}
		*part.numbers = numbers
	}
	if spec.published.text != "" && spec.targets.len() > 1 && spec.targets.len() != spec.publishes.len() {
		spec.trouble, spec.place = "publishes "+portCount(spec.publishes.len())+" for "+portCount(spec.targets.len())+"; expected as many", all
		return spec, false
	}
	return spec, true
}

func portCount(n int) string {
	if n == 1 {
		return "1 port"
	}
	return strconv.Itoa(n) + " ports"
}

func portRange(text string) (ports, bool) {
	low, high, ranged := strings.Cut(text, "-")
	first, ok := readPort(low)
	if !ok || !ranged {
		return ports{first, first}, ok
	}
	last, ok := readPort(high)
	return ports{first, last}, ok && last >= first
}

func readPort(text string) (int, bool) {
	if text == "" || text[0] < '0' || text[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 1 && n <= 65535
}
