package catalogue

import (
	"slices"
	"strings"
	"testing"
)

func searched() *Index {
	return &Index{Schema: SchemaVersion, Name: "Test", Recipes: []IndexItem{
		{Name: "cloud", Description: "Files", Category: "Apps", Newest: "1.0.0+1"},
		{Name: "cloud-mail", Description: "Post for Nextcloud", Category: "Apps"},
		{Name: "irc", Description: "Chat", Category: "Talk"},
		{Name: "matomo", Description: "Web Statistics", Category: "Apps"},
		{Name: "nextcloud", Description: "FILES and dates", Category: "Apps"},
		{Name: "wiki", Description: "Pages in the cloud", Category: "Knowledge"},
	}}
}

func TestSearchRanks(t *testing.T) {
	for words, want := range map[string]string{
		"":              "cloud: cloud-mail: irc: matomo: nextcloud: wiki:",
		"  ":            "cloud: cloud-mail: irc: matomo: nextcloud: wiki:",
		"cloud":         "cloud:name cloud-mail:name nextcloud:name wiki:description",
		"CLOUD":         "cloud:name cloud-mail:name nextcloud:name wiki:description",
		"matmoo":        "matomo:near",
		"files":         "cloud:description nextcloud:description",
		"apps":          "cloud:category cloud-mail:category matomo:category nextcloud:category",
		"files cloud":   "cloud:name nextcloud:name",
		"cloud mail":    "cloud-mail:name",
		"cloud matomo":  "",
		"crm":           "", // irc is two letters away
		"talk":          "irc:category",
		"statistics we": "matomo:description",
		"zzzzzzzzzz":    "",
		"İ\xff[":        "",
	} {
		var got []string
		for _, hit := range searched().Search(words) {
			got = append(got, hit.Name+":"+hit.Match)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("search %q found %q, want %q", words, got, want)
		}
	}
}

// TestSearchWordsAreOneList: how the words are quoted makes no difference.
func TestSearchWordsAreOneList(t *testing.T) {
	x := searched()
	if a, b := x.Search("files cloud"), x.Search("files", "cloud"); !slices.Equal(a, b) || len(a) != 2 {
		t.Errorf("found %v and %v", a, b)
	}
}

func TestSearchNear(t *testing.T) {
	if got := searched().Near("irk", "matmo", "irk"); !slices.Equal(got, []string{"irc", "matomo"}) {
		t.Errorf("near are %q", got)
	}
	if got := searched().Near("qqqqqqqq"); got == nil || len(got) > 0 {
		t.Errorf("near are %q, want an empty list", got)
	}
}
