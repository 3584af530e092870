package signers

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// tag is a tag object taken apart as git takes it apart to check it.
type tag struct {
	name      string
	date      time.Time // the tagger's, zero when there is none
	kind      string    // "" when unsigned
	payload   []byte    // what was signed: everything before the signature
	signature []byte    // with its armor, to the end of the object
}

// begins are the first lines of signatures (gpg-interface.c of git).
var begins = []struct{ line, kind string }{
	{"-----BEGIN SSH SIGNATURE-----", SSH},
	{"-----BEGIN PGP SIGNATURE-----", OpenPGP},
	{"-----BEGIN PGP MESSAGE-----", OpenPGP},
	{"-----BEGIN SIGNED MESSAGE-----", X509},
}

// KindOf is the kind of signature in a tag object, "" when it has none. Nothing
// is verified.
func KindOf(object []byte) string {
	_, kind := split(object)
	return kind
}

// split finds where the signature begins: at the last line that begins one.
func split(object []byte) (at int, kind string) {
	at = len(object)
	offset := 0
	for line := range bytes.Lines(object) {
		for _, begin := range begins {
			if bytes.HasPrefix(line, []byte(begin.line)) {
				at, kind = offset, begin.kind
			}
		}
		offset += len(line)
	}
	return at, kind
}

func parseTag(object []byte) (tag, error) {
	at, kind := split(object)
	t := tag{kind: kind, payload: object[:at], signature: object[at:]}
	header, _, ok := strings.Cut(string(t.payload), "\n\n")
	lines := strings.Split(header, "\n")
	if !ok && kind != "" || len(lines) < 3 {
		return tag{}, fmt.Errorf("%w: it is no tag object", ErrInvalid)
	}
	for i, key := range []string{"object ", "type ", "tag "} {
		if !strings.HasPrefix(lines[i], key) {
			return tag{}, fmt.Errorf("%w: line %d of the tag object is not its %s", ErrInvalid, i+1, strings.TrimSpace(key))
		}
	}
	t.name = strings.TrimPrefix(lines[2], "tag ")
	if len(lines) > 3 {
		t.date = taggerDate(lines[3])
	}
	return t, nil
}

// taggerDate reads "tagger NAME <EMAIL> SECONDS ZONE".
func taggerDate(line string) time.Time {
	rest, ok := strings.CutPrefix(line, "tagger ")
	fields := strings.Fields(rest[strings.LastIndex(rest, ">")+1:])
	if !ok || len(fields) == 0 {
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
