package lint

import (
	"regexp"
	"strings"
)

func unquoted(key, value, what string, line, column int) Problem {
	value = strings.TrimSpace(value)
	return Problem{
		Key: key, Text: "quote it: " + what, Line: line, Column: column,
		Fix: "write " + key + ": '" + strings.ReplaceAll(value, "'", "''") + "'",
	}
}

// closing is the index of the quote that ends a quoted value, or -1.
func closing(value string) int {
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '\\' && value[0] == '"':
			i++
		case value[i] != value[0]:
		case value[0] == '\'' && strings.HasPrefix(value[i+1:], "'"):
			i++
		default:
			return i
		}
	}
	return -1
}

// endsEarly is the problem of a quoted value with such a quote in it.
func endsEarly(key, quote string) (text, fix string) {
	text = "the value of " + key + " ends with this " + quote
	if quote == "'" {
		return text, "double each ' in the value: ''"
	}
	return text, `write it between single quotes`
}

// flow checks the values of a row in one line. A value reaches to the next key or to the brace that ends the line.
func flow(text string, line, column int) []Problem {
	var found []Problem
	for i := 1; i < len(text); {
		rest := text[i:]
		colon := strings.IndexByte(rest, ':')
		if colon < 0 {
			return found
		}
		key := strings.Trim(rest[:colon], " ,'\"")
		i += colon + 1
		if i < len(text) && text[i] != ' ' && rest[:colon] == strings.TrimRight(rest[:colon], `'"`) && isKey(key) {
			p := tight(key)
			p.Line, p.Column = line, column+i
			found = append(found, p)
		}
		for i < len(text) && text[i] == ' ' {
			i++
		}
		start := i
		i = flowEnd(text, start)
		if p, bad := misreadValue(key, text[start:i]); bad {
			p.Line, p.Column = line, column+start+p.Column
			found = append(found, p)
		}
		if i < len(text) && text[i] == '}' {
			return found
		}
	}
	return found
}

// misreadValue checks one value of a row in one line. The column of its problem is counted from the value, from 0.
func misreadValue(key, value string) (Problem, bool) {
	quoted := value != "" && strings.ContainsRune(`'"`, rune(value[0]))
	switch {
	case strings.HasPrefix(value, "{{"):
		return unquoted(key, value, "inside { } YAML reads the { as a block", 0, 0), true
	case value == "" || strings.ContainsRune("{[!", rune(value[0])):
		return Problem{}, false
	case quoted && closing(value) < 0:
		return misquoted(key, value)
	}
	if found := glued.FindStringSubmatchIndex(value); !quoted && found != nil && isKey(value[found[2]:found[3]]) {
		p := tight(value[found[2]:found[3]])
		p.Column = found[3] + 1
		return p, true
	}
	after := 0
	if quoted {
		after = 1 + closing(value)
	}
	if next := missed.FindStringSubmatchIndex(value[after:]); next != nil && isKey(value[after+next[2]:after+next[3]]) {
		return Problem{Key: key, Text: "a comma is missing before " + value[after+next[2]:after+
			next[3]], Fix: "write it", Column: after + next[0]}, true
	}
	if quoted {
		return misquoted(key, value)
	}
	if what := indicator(value, true); what != "" {
		return unquoted(key, value, what, 0, 0), true
	}
	return Problem{}, false
}

// tight is the problem of a key without the space after its colon.
func tight(key string) Problem {
	return Problem{Text: "the colon of " + key + " needs a space after it", Fix: "write it"}
}

// misquoted checks a quoted value of a row in one line.
func misquoted(key, value string) (Problem, bool) {
	end := closing(value)
	inner := value
	if end > 0 {
		inner = value[:end]
	}
	next := within.FindStringSubmatch(inner)
	switch {
	case end < 0, next != nil && isKey(next[1]):
		p := Problem{Text: "the " + value[:1] + " of " + key + " " + notClosed, Fix: "write it at the end of the value too"}
		return p, true
	case strings.TrimSpace(value[end+1:]) != "":
		text, fix := endsEarly(key, value[:1])
		return Problem{Text: text, Fix: fix, Column: end}, true
	}
	return Problem{}, false
}

// within is the next key of a row inside a value.
var within = regexp.MustCompile(`,\s*([A-Z][A-Za-z]*): `)

// flowEnd finds where the value that begins at start ends, as its author means it.
func flowEnd(text string, start int) int {
	var quote byte
	for i := start; i < len(text); i++ {
		switch {
		case quote != 0:
			if text[i] == quote {
				quote = 0
			}
		case i == start && (text[i] == '\'' || text[i] == '"'):
			quote = text[i]
		case flowKey.MatchString(text[i:]), text[i] == ',' && strings.TrimSpace(text[i+1:]) == "":
			return i
		case text[i] == '}' && strings.TrimSpace(comment.ReplaceAllString(text[i+1:], "")) == "":
			return i
		}
	}
	return len(text)
}

// indicator reports what YAML reads something in a plain value as, or "".
func indicator(value string, inFlow bool) string {
	value = strings.TrimSpace(value)
	if value == "" || strings.ContainsRune(`'"{[!|>`, rune(value[0])) {
		return ""
	}
	if strings.HasPrefix(value, "- ") {
		return "YAML reads the - as a list"
	}
	if strings.ContainsRune("*&%@`", rune(value[0])) {
		return "YAML reads the " + value[:1] + " at its beginning as " + map[byte]string{
			'*': "an alias", '&': "an anchor", '%': "a directive", '@': "a reserved sign", '`': "a reserved sign",
		}[value[0]]
	}
	if inFlow {
		for _, c := range value {
			if what, ok := map[rune]string{
				'?': "a key", ',': "the end of the value", '[': "a list", ']': "the end of a list", '{': "a block",
				'}': "the end of the block",
			}[c]; ok {
				return "inside { } YAML reads the " + string(c) + " as " + what
			}
		}
	}
	if strings.Contains(value, ": ") || strings.HasSuffix(value, ":") {
		return "YAML reads the : as a key"
	}
	return ""
}
