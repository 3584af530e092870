package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// goNames are what an error shows of the program instead of the problem.
var goNames = regexp.MustCompile(`\*?\b(errors|fs|os|net|url|exec|json|yaml|kong|fault|swarm|types)\.[A-Z]\w+|goroutine |\.go:[0-9]|0x[0-9a-f]{6}|%!|<nil>`)

// checkError wants an error as every galley command ends with. With many, a
// command that goes on after an error has a line for each.
func checkError(stdout, stderr string, code int, many bool) error {
	message, hint := "", ""
	if strings.HasPrefix(stdout, "{") {
		var answer struct {
			Error *struct {
				Message, Hint string
				Code          int
			}
		}
		if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
			return fmt.Errorf("the JSON answer: %w", err)
		}
		if answer.Error == nil {
			return nil // an answer of the command's own, with the problem in it
		}
		if answer.Error.Code != code {
			return fmt.Errorf("the JSON error has code %d, the process %d", answer.Error.Code, code)
		}
		if strings.Contains(stderr, "galley: error:") {
			return errors.New("the error is told in JSON and on standard error")
		}
		message, hint = answer.Error.Message, answer.Error.Hint
	} else {
		for line := range strings.Lines(stderr) {
			line = strings.TrimSuffix(line, "\n")
			if rest, ok := strings.CutPrefix(line, "galley: error: "); ok {
				if message != "" && !many {
					return errors.New("there is more than one line of error")
				}
				message = rest
			}
			if rest, ok := strings.CutPrefix(line, "galley: hint: "); ok {
				if message == "" || hint != "" {
					return errors.New("a hint follows one error, and is one line")
				}
				hint = rest
			}
		}
		last := "galley: error: " + message
		if hint != "" {
			last = "galley: hint: " + hint
		}
		if !strings.HasSuffix(stderr, last+"\n") {
			return errors.New("standard error does not end with the error and its hint")
		}
	}
	return checkVoice(message, hint)
}

func checkVoice(message, hint string) error {
	if message == "" {
		return errors.New("there is no error message")
	}
	for _, text := range []string{message, hint} {
		if strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "...") { // kong's list
			return fmt.Errorf("%q ends with a full stop", text)
		}
		if found := goNames.FindString(text); found != "" {
			return fmt.Errorf("%q shows %q of the program", text, found)
		}
		if strings.ContainsAny(text, "\n\t") || len(text) > 600 {
			return fmt.Errorf("%q is no line", text)
		}
		word, _, _ := strings.Cut(text, " ")
		if text != "" && unicode.IsUpper([]rune(word)[0]) && strings.ToUpper(word) != word {
			return fmt.Errorf("%q starts with a capital", text)
		}
	}
	return nil
}
