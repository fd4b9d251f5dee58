package data_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// NOTICE counts rightly where the shipped facts come from.
func TestNotice(t *testing.T) {
	text, err := os.ReadFile("../NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	pages, database, lists := 0, 0, 0
	providers := shipped(t).Providers()
	for _, p := range providers {
		switch {
		case strings.HasPrefix(p.Source, "https://github.com/thunderbird/autoconfig/"):
			database++
		case strings.HasPrefix(p.Source, "https://github.com/"):
			lists++
		default:
			pages++
		}
	}
	for _, want := range []string{
		fmt.Sprintf("Of %d files, %d name a page that is none of the lists", len(providers), pages),
		fmt.Sprintf("- %d name a file of the ISP database", database),
		fmt.Sprintf("- %d name another public list", lists),
		fmt.Sprintf("The first %d providers began", len(seedProviders)),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("NOTICE does not say: %s", want)
		}
	}
}
