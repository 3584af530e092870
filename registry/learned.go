package registry

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	learnedName = "learned.jsonl"
	// maxLearned bounds what is read of a journal: some 400,000 answers.
	maxLearned = 64 << 20
	// maxSkew is how far in the future an answer may lie, for clocks that were set.
	maxSkew = time.Minute
	maxLine = 4 << 10
	// large is the size from which a journal is rewritten when it is opened, if
	// half of it is of no use any more.
	large = 4 << 20
)

// learned is the journal of answers: which digest a reference had, and when. It
// is a file of one JSON object a line, to which processes append at the same
// time; the last line about a reference counts. A line that was cut off by a
// kill is ignored, and so is any other that cannot be read: what is not known is
// asked.
//
// Other than the facts, answers cannot be verified. Who can write the folder can
// say what a tag names, as who can write the docker config can.
type learned struct {
	dir   string // "": in memory only
	large int64  // rewritten from this size on; large when 0

	mu      sync.Mutex
	known   map[string]answer // nil: not read yet
	begun   bool              // the file's end was looked at
	torn    bool              // the file does not end in a line's end
	pending []answer          // to be written
	writing bool
}

// answer is one line of the journal.
type answer struct {
	Ref    string `json:"ref"`              // as asked, after rewrites
	Digest string `json:"digest,omitempty"` // "": forgotten
	At     int64  `json:"at"`               // Unix time
}

// get finds the last answer about a reference, and its age.
func (l *learned) get(ref string) (digest string, age time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.load()
	}
	a, ok := l.known[ref]
	if !ok {
		return "", 0, false
	}
	age = time.Since(time.Unix(a.At, 0))
	return a.Digest, max(0, age), age > -maxSkew
}

// put keeps answers; those without a digest are forgotten. While one caller
// writes, the others leave theirs for it to write and go on.
func (l *learned) put(answers ...answer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin()
	for _, a := range answers {
		l.keep(a)
	}
	if l.dir == "" {
		return nil
	}
	l.pending = append(l.pending, answers...)
	if l.writing {
		return nil
	}
	l.writing = true
	defer func() { l.writing = false }()
	var failed error
	for len(l.pending) > 0 {
		lines, torn := linesOf(l.pending), l.torn
		l.pending = nil
		l.mu.Unlock()
		if torn {
			lines = append([]byte("\n"), lines...)
		}
		err := l.add(lines)
		l.mu.Lock()
		l.torn = err != nil // it may have been written in part
		failed = cmp.Or(failed, err)
	}
	return failed
}

// begin looks at the end of the file before the first line is added. A large
// one is read, to be compacted.
func (l *learned) begin() {
	if l.begun {
		return
	}
	l.begun = true
	if l.dir == "" {
		l.known = map[string]answer{}
		return
	}
	f, err := os.Open(l.path())
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return
	}
	if l.known == nil && info.Size() >= cmp.Or(l.large, large) {
		l.load()
		return
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err == nil {
		l.torn = last[0] != '\n'
	}
}

// add appends with a single write, which other processes' writes do not mix
// with. The file is opened each time: another process may have rewritten it.
func (l *learned) add(lines []byte) error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(lines)
	return cmp.Or(err, f.Close())
}

func (l *learned) path() string { return filepath.Join(l.dir, learnedName) }

func (l *learned) keep(a answer) {
	if l.known == nil {
		return // it is in the file when that is read
	}
	if a.Digest == "" {
		delete(l.known, a.Ref)
		return
	}
	l.known[a.Ref] = a
}

func linesOf(answers []answer) []byte {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	for _, a := range answers {
		_ = encoder.Encode(a) // two strings and a number
	}
	return buf.Bytes()
}

// load reads the journal. One that cannot be read is as good as none.
func (l *learned) load() {
	l.begun, l.known = true, map[string]answer{}
	if l.dir == "" {
		return
	}
	f, err := os.Open(l.path())
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	if past := info.Size() - maxLearned; past > 0 { // the newest are at the end
		_, _ = f.Seek(past, io.SeekStart)
	}
	lines := l.read(io.LimitReader(f, maxLearned))
	if info.Size() >= cmp.Or(l.large, large) && lines >= 2*len(l.known) {
		l.compact()
	}
}

// read takes in every line that can be understood, and counts them all.
func (l *learned) read(r io.Reader) (lines int) {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		whole := err == nil
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n') // the rest of a line that is none of ours
		}
		if whole {
			lines++
			if a, ok := readAnswer(line); ok {
				l.keep(a)
			}
		}
		if err != nil {
			l.torn = len(line) > 0
			return lines
		}
	}
}

// readAnswer reads a line of the journal.
func readAnswer(line []byte) (answer, bool) {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil || a.Ref == "" {
		return answer{}, false
	}
	if a.Digest == "" {
		return a, true
	}
	hash, err := v1.NewHash(a.Digest)
	return a, err == nil && hash.Algorithm == "sha256"
}

// compact rewrites the journal with the answers that count. What another process
// appends at this moment may be lost: it is asked again, no more.
func (l *learned) compact() {
	var answers []answer
	for _, ref := range slices.Sorted(maps.Keys(l.known)) {
		answers = append(answers, l.known[ref])
	}
	if writeFile(l.path(), linesOf(answers)) == nil {
		l.torn = false
	}
}
