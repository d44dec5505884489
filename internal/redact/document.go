package redact

import (
	"encoding/json"
	"slices"
	"strings"
)

// A document of JSON stays one. What was found may be a number, or begin or end inside an escape or across two strings,
// if a secret has a quotation mark: then each key and value that it touches is redacted as a whole.

// isDocument reports whether a text is an object or a list of JSON.
func isDocument(text string) bool {
	begin := strings.TrimLeft(text, " \t\r\n")
	return begin != "" && (begin[0] == '{' || begin[0] == '[') && json.Valid([]byte(text))
}

// tokens are the strings, numbers and literals of a document.
func tokens(text string) []span {
	var list []span
	for at := 0; at < len(text); at++ {
		from := at
		switch {
		case text[at] == '"':
			for at++; text[at] != '"'; at++ {
				if text[at] == '\\' {
					at++
				}
			}
		case strings.IndexByte("{}[],: \t\r\n", text[at]) >= 0:
			continue
		default:
			for at+1 < len(text) && strings.IndexByte("{}[],: \t\r\n", text[at+1]) < 0 {
				at++
			}
		}
		list = append(list, span{from, at + 1})
	}
	return list
}

// touched are the tokens that share a byte with one of the spans; both are sorted.
func touched(list, spans []span) []span {
	return slices.DeleteFunc(list, func(token span) bool {
		for len(spans) > 0 && spans[0].to <= token.from {
			spans = spans[1:]
		}
		return len(spans) == 0 || !slices.ContainsFunc(spans, func(sp span) bool {
			return sp.from < token.to && token.from < sp.to
		})
	})
}
