package redact_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"strings"
	"testing"
	texttemplate "text/template"

	"github.com/cronbearer/cronbearer/internal/redact"
)

// holders are the ways in which a program might hold a Secret and print it by mistake.
type exported struct {
	Name   string
	Secret redact.Secret
	To     *redact.Secret
}

type unexported struct {
	name   string
	secret redact.Secret
	to     *redact.Secret
	inner  exported
}

type embedded struct{ redact.Secret }

func holders() map[string]any {
	s := redact.New(token)
	return map[string]any{
		"itself":             s,
		"pointer":            &s,
		"pointer to pointer": func() **redact.Secret { p := &s; return &p }(),
		"exported field":     exported{"n", s, &s},
		"pointer to struct":  &exported{"n", s, &s},
		"unexported field":   unexported{"n", s, &s, exported{"n", s, &s}},
		"pointer to that":    &unexported{"n", s, &s, exported{"n", s, &s}},
		"embedded":           embedded{s},
		"slice":              []redact.Secret{s},
		"array":              [1]redact.Secret{s},
		"map value":          map[string]redact.Secret{"k": s},
		"map key":            map[redact.Secret]string{s: "v"},
		"interface":          []any{s, &s},
		"error":              fmt.Errorf("wrapped: %w", fmt.Errorf("get token %v %s: %+v", s, s, exported{"n", s, &s})),
		"joined errors":      errors.Join(fmt.Errorf("%q", s), fmt.Errorf("%#v", unexported{"n", s, &s, exported{}})),
	}
}

func checkSecret(t *testing.T, how, output string) {
	t.Helper()
	// fmt prints a string that it should not as text, in hexadecimal or as bytes.
	for _, form := range []string{
		token, token[:16], fmt.Sprintf("%x", token[:8]), fmt.Sprintf("%X", token[:8]),
		strings.Trim(fmt.Sprint([]byte(token[:8])), "[]"),
	} {
		if strings.Contains(output, form) {
			t.Errorf("%s prints the token: %s", how, output)
		}
	}
}

func TestTokenNeverInAnyVerb(t *testing.T) {
	t.Parallel()
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "# x", "+50.40", "[1]"} {
				for _, verb := range "vTtbcdoOqxXUeEfFgGspwzZ!" {
					format := "%" + flags + string(verb)
					checkSecret(t, format, fmt.Sprintf(format, holder))
				}
			}
			checkSecret(t, "Sprint", fmt.Sprint(holder)+fmt.Sprintln("x", holder))
			checkSecret(t, "%*v", fmt.Sprintf("%*v", 50, holder))
		})
	}
}

func TestTokenNeverInAnyEncoder(t *testing.T) {
	t.Parallel()
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if b, err := json.MarshalIndent(holder, "", " "); err == nil {
				out.Write(b)
			} else {
				out.WriteString(err.Error())
			}
			if err := xml.NewEncoder(&out).Encode(holder); err != nil {
				out.WriteString(err.Error())
			}
			if err := gob.NewEncoder(&out).Encode(holder); err != nil {
				out.WriteString(err.Error())
			}
			if err := template.Must(
				template.New("").Parse(`{{.}}<a href="{{.}}"><script>x={{.}}</script>`),
			).Execute(&out, holder); err != nil {
				out.WriteString(err.Error())
			}
			if err := texttemplate.Must(
				texttemplate.New("").Parse(`{{.}} {{printf "%v" .}}`),
			).Execute(&out, holder); err != nil {
				out.WriteString(err.Error())
			}
			checkSecret(t, "an encoder", out.String())
		})
	}
}

func TestTokenNeverInAnyLogger(t *testing.T) {
	t.Parallel()
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				log := slog.New(h)
				log.Info("m", "k", holder)
				log.With("with", holder).WithGroup("g").Error("m", slog.Group("h", slog.Any("k", holder)))
				log.Info(fmt.Sprint(holder), "missing value", holder, holder)
			}
			checkSecret(t, "slog", out.String())
		})
	}
}

// What does not fail must say that something was there.
func TestSecretPrintsAsRedacted(t *testing.T) {
	t.Parallel()
	s := redact.New(token)
	var text, jsonLog bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "k", s)
	slog.New(slog.NewJSONHandler(&jsonLog, nil)).Info("m", "k", exported{Secret: s})
	marshalled, err := json.Marshal(map[redact.Secret]any{s: exported{"n", s, &s}})
	if err != nil {
		t.Fatal(err)
	}
	asXML, err := xml.Marshal(exported{"n", s, nil})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ got, want string }{
		"String":   {got: s.String(), want: "[redacted]"},
		"GoString": {got: s.GoString(), want: "[redacted]"},
		"%v": {
			got:  fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s),
			want: strings.TrimSpace(strings.Repeat("[redacted] ", 7)),
		},
		"a pointer":    {got: fmt.Sprint(&s), want: "[redacted]"},
		"a struct":     {got: fmt.Sprintf("%v", struct{ S redact.Secret }{s}), want: "{[redacted]}"},
		"a zero value": {got: fmt.Sprint(redact.Secret{}), want: "[redacted]"},
		"LogValue":     {got: s.LogValue().String(), want: "[redacted]"},
		"text log":     {got: text.String()[strings.Index(text.String(), "k="):], want: "k=[redacted]\n"},
		"JSON log": {
			got:  jsonLog.String()[strings.Index(jsonLog.String(), `"k"`):],
			want: `"k":{"Name":"","Secret":"[redacted]","To":null}}` + "\n",
		},
		"JSON": {
			got: string(marshalled), want: `{"[redacted]":{"Name":"n","Secret":"[redacted]","To":"[redacted]"}}`,
		},
		"XML":  {got: string(asXML), want: "<exported><Name>n</Name><Secret>[redacted]</Secret></exported>"},
		"text": {got: string(plain), want: "[redacted]"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
}

func TestSecretValue(t *testing.T) {
	t.Parallel()
	s := redact.New(token)
	if s.Reveal() != token || s.IsZero() || !s.Equal(redact.New(token)) {
		t.Error("a secret is not what it was made of")
	}
	for name, other := range map[string]redact.Secret{
		"zero": {}, "empty": redact.New(""), "shorter": redact.New(token[1:]), "other": redact.New("x" + token[1:]),
	} {
		if s.Equal(other) || other.Equal(s) {
			t.Errorf("equal to %s", name)
		}
	}
	if zero := (redact.Secret{}); zero.Reveal() != "" || !zero.IsZero() || !redact.New("").IsZero() ||
		!zero.Equal(redact.New("")) {
		t.Error("the zero Secret has a value")
	}
}
