package lint

import (
	"bytes"
	"fmt"
	"strings"
)

// diffContext is how many unchanged lines stand around a change.
const diffContext = 3

// maxEdits bounds the search for the shortest difference: its time and memory
// grow with the square. What differs more is shown as one change.
const maxEdits = 1000

// UnifiedDiff is the difference of a file's two contents in the form that patch
// and git apply read, "" for none. name is shown with a/ and b/ before it, an
// absolute one without its first slash. A nil before is a file that is made.
func UnifiedDiff(name string, before, after []byte) string {
	if bytes.Equal(before, after) {
		return ""
	}
	a, b := splitLines(before), splitLines(after)
	var out strings.Builder
	name = strings.TrimPrefix(name, "/")
	from := "a/" + name
	if before == nil {
		from = "/dev/null"
	}
	fmt.Fprintf(&out, "--- %s\n+++ b/%s\n", from, name)
	for _, h := range hunks(changes(a, b), len(a), len(b)) {
		h.write(&out, a, b)
	}
	return out.String()
}

// splitLines cuts a text behind each LF.
func splitLines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	lines := strings.SplitAfter(string(data), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// change says that lines [a1, a2) become lines [b1, b2).
type change struct{ a1, a2, b1, b2 int }

// changes lists what differs, in order. What is the same at both ends is taken
// away first: most changes are small.
func changes(a, b []string) []change {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && a[endA-1] == b[endB-1] {
		endA, endB = endA-1, endB-1
	}
	found := myers(a[start:endA], b[start:endB])
	for i := range found {
		c := &found[i]
		c.a1, c.a2, c.b1, c.b2 = c.a1+start, c.a2+start, c.b1+start, c.b2+start
	}
	return found
}

// myers finds the shortest difference (E. Myers, "An O(ND) Difference Algorithm
// and Its Variations", 1986, figure 2).
func myers(a, b []string) []change {
	n, m := len(a), len(b)
	if n == 0 && m == 0 {
		return nil
	}
	whole := []change{{0, n, 0, m}}
	if n == 0 || m == 0 {
		return whole
	}
	limit := min(n+m, maxEdits)
	ends := make([]int, 2*limit+3) // furthest x on each diagonal k, at k+limit+1
	var trace [][]int
	for d := 0; d <= limit; d++ {
		trace = append(trace, append([]int(nil), ends[limit+1-d:limit+2+d]...))
		for k := -d; k <= d; k += 2 {
			at := k + limit + 1
			x := ends[at-1] + 1
			if k == -d || k != d && ends[at-1] < ends[at+1] {
				x = ends[at+1]
			}
			for x < n && x-k < m && a[x] == b[x-k] {
				x++
			}
			ends[at] = x
			if x >= n && x-k >= m {
				return backtrack(trace, n, m, d)
			}
		}
	}
	return whole
}

// backtrack walks from the end to the start over what each number of edits could
// reach, and joins neighbouring edits. trace[d] are the ends after d-1 edits, of
// the diagonals -d to d.
func backtrack(trace [][]int, x, y, d int) []change {
	var found []change
	for ; d > 0; d-- {
		ends, k := trace[d], x-y
		end := func(diagonal int) int { return ends[diagonal+d] }
		down := k == -d || k != d && end(k-1) < end(k+1)
		previous := k - 1
		if down {
			previous = k + 1
		}
		px := end(previous)
		py := px - previous
		c := change{px, px + 1, py, py}
		if down {
			c = change{px, px, py, py + 1}
		}
		if last := len(found) - 1; last >= 0 && found[last].a1 == c.a2 && found[last].b1 == c.b2 {
			found[last].a1, found[last].b1 = c.a1, c.b1
		} else {
			found = append(found, c)
		}
		x, y = px, py
	}
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found
}

// hunk is a stretch of both texts with the changes in it.
type hunk struct {
	change
	changes []change
}

// hunks gathers changes whose context meets.
func hunks(all []change, lenA, lenB int) []hunk {
	var found []hunk
	for _, c := range all {
		around := change{
			max(0, c.a1-diffContext), min(lenA, c.a2+diffContext),
			max(0, c.b1-diffContext), min(lenB, c.b2+diffContext),
		}
		if last := len(found) - 1; last >= 0 && around.a1 <= found[last].a2 {
			found[last].a2, found[last].b2 = around.a2, around.b2
			found[last].changes = append(found[last].changes, c)
			continue
		}
		found = append(found, hunk{around, []change{c}})
	}
	return found
}

func (h hunk) write(out *strings.Builder, a, b []string) {
	fmt.Fprintf(out, "@@ -%s +%s @@\n", lineSpan(h.a1, h.a2), lineSpan(h.b1, h.b2))
	at := h.a1
	for _, c := range h.changes {
		writeLines(out, ' ', a[at:c.a1])
		writeLines(out, '-', a[c.a1:c.a2])
		writeLines(out, '+', b[c.b1:c.b2])
		at = c.a2
	}
	writeLines(out, ' ', a[at:h.a2])
}

// lineSpan is "first,count", the count left out for one line; of no lines the
// one before is named.
func lineSpan(from, to int) string {
	switch to - from {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
}

func writeLines(out *strings.Builder, sign byte, lines []string) {
	for _, line := range lines {
		out.WriteByte(sign)
		out.WriteString(line)
		if !strings.HasSuffix(line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
