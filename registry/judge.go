package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	manifests = "manifests"
	blobs     = "blobs"
)

// errPoorHead means that the answer to a HEAD lacks what makes it worth asking:
// a digest, a media type, a length. Registries may leave the digest out
// (distribution specification, "Checking if content exists").
var errPoorHead = errors.New("gave a HEAD answer without digest, media type or length")

// documentKind is "manifests" or "blobs" for a request that asks for one, and ""
// for a ping or a token.
func documentKind(req *http.Request) string {
	if !strings.HasPrefix(req.URL.Path, "/v2/") {
		return ""
	}
	parts := strings.Split(req.URL.Path, "/")
	if kind := parts[len(parts)-2]; kind == manifests || kind == blobs {
		return kind
	}
	return ""
}

// wantedDigest is the digest that a request asks for, "" when it asks by tag.
func wantedDigest(req *http.Request) string {
	last := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
	if strings.HasPrefix(last, "sha256:") {
		return last
	}
	return ""
}

// judge refuses a successful answer that must not be used. First is the request
// as it was made, before any redirect.
func judge(first *http.Request, resp *http.Response) error {
	if isToken(first) {
		return judgeToken(resp)
	}
	kind := documentKind(first)
	if kind == "" || resp.StatusCode != http.StatusOK {
		return nil
	}
	if kind == manifests && first.Method == http.MethodHead {
		return judgeHead(first, resp)
	}
	body, err := peek(resp)
	if err != nil {
		return err
	}
	if kind == manifests {
		if err := judgeMediaType(resp); err != nil {
			return err
		}
	}
	want := wantedDigest(first)
	if got := digestOf(body); want != "" && got != want {
		return badDigest("sent bytes that are %s when asked for %s", got, want)
	}
	return nil
}

// peek reads a body, which is in memory already, and leaves it in its place.
func peek(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// isToken tells whether a request asks a token service for a token: ggcr always
// says for which service (distribution token specification).
func isToken(req *http.Request) bool {
	return req.Method == http.MethodGet && documentKind(req) == "" && req.URL.Query().Has("service")
}

// judgeToken refuses what is no token. A 404 would read as if the image were not
// there.
func judgeToken(resp *http.Response) error {
	if resp.StatusCode == http.StatusNotFound {
		return badAnswer("names a token service that is not there (404)")
	}
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	body, err := peek(resp)
	if err != nil {
		return err
	}
	var token struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &token); err != nil {
		return badAnswer("has a token service that sent something else than a token")
	}
	if token.Token == "" && token.AccessToken == "" {
		return badAnswer("has a token service that sent no token")
	}
	return nil
}

func judgeHead(first *http.Request, resp *http.Response) error {
	claimed := resp.Header.Get("Docker-Content-Digest")
	if _, err := v1.NewHash(claimed); err != nil || resp.Header.Get("Content-Type") == "" || resp.ContentLength < 0 {
		return errPoorHead
	}
	if want := wantedDigest(first); want != "" && claimed != want {
		return badDigest("says %s when asked for %s", claimed, want)
	}
	return judgeMediaType(resp)
}

// judgeMediaType takes nothing but an index or a manifest, and leaves the bare
// type in the header.
func judgeMediaType(resp *http.Response) error {
	written := resp.Header.Get("Content-Type")
	bare, _, err := mime.ParseMediaType(written)
	if err != nil {
		return badAnswer("sent a manifest without a usable media type")
	}
	media := types.MediaType(bare)
	switch {
	case media.IsSchema1():
		return badAnswer("has this image in docker's schema 1 only, which no longer pulls: expected an OCI or schema 2 image")
	case !media.IsIndex() && !media.IsImage():
		return badAnswer("sent the media type %q, expected an image index or manifest", shorten(bare))
	}
	resp.Header.Set("Content-Type", bare)
	return nil
}

// shorten bounds a stranger's text for a message.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// digestOf is the sha256 digest of bytes, "sha256:…".
func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
