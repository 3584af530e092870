package server

import (
	"fmt"
	"time"
)

const (
	// maxSkew is what clocks that are kept in time never differ by; badSkew is where
	// certificates and one-time passwords begin to fail.
	maxSkew = 2 * time.Second
	badSkew = 30 * time.Second
)

// checkClocks compares the nodes' clocks with this machine's, and with each other.
func checkClocks(s *Survey) []Finding {
	var found []Finding
	var told []*Look
	off := 0
	for _, l := range s.answering() {
		if !l.HasSkew {
			found = append(found, Finding{"clock", NotKnown, l.Host(), "the engine does not tell its time", ""})
			continue
		}
		told = append(told, l)
		if beyond(l.Skew, l.Uncertain) >= maxSkew {
			off++
		}
	}
	if len(told) > 1 && off == len(told) && spread(told) < maxSkew {
		return append(found, Finding{"clock", Warning, "", fmt.Sprintf("the nodes agree with each other; this machine's clock is %s", apart(-told[0].Skew)),
			"timedatectl set-ntp true on this machine keeps it right"})
	}
	for _, l := range told {
		found = append(found, checkClock(l))
	}
	return found
}

func checkClock(l *Look) Finding {
	over := beyond(l.Skew, l.Uncertain)
	f := Finding{"clock", OK, l.Host(), fmt.Sprintf("within %s of this machine's", (l.Skew.Abs() + l.Uncertain).Round(time.Millisecond)), ""}
	if over < maxSkew {
		return f
	}
	f.Status, f.Text = Warning, fmt.Sprintf("%s this machine's", apart(l.Skew))
	f.Hint = "timedatectl set-ntp true there keeps it right, unless it is this machine's that is wrong"
	if over >= badSkew {
		f.Status = Failed
	}
	return f
}

// beyond is how far a clock is off at least.
func beyond(skew, uncertain time.Duration) time.Duration { return max(0, skew.Abs()-uncertain) }

func spread(looks []*Look) time.Duration {
	least, most := looks[0].Skew, looks[0].Skew
	for _, l := range looks {
		least, most = min(least, l.Skew), max(most, l.Skew)
	}
	return most - least
}

// apart is a skew in words.
func apart(skew time.Duration) string {
	if skew < 0 {
		return fmt.Sprintf("%s behind", skew.Abs().Round(100*time.Millisecond))
	}
	return fmt.Sprintf("%s ahead of", skew.Round(100*time.Millisecond))
}
