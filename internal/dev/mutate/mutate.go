// Package mutate lets plain `go test` try more of a fuzz test than its seeds: some hundred inputs that are made of them
// by chance, the same in each run, so that a failure is always the change's that it is seen with. It does not see which
// code an input reaches, so it is no substitute for `go test -fuzz` (make fuzz); it is what a short run affords.
package mutate

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Inputs is how many new inputs a fuzz test tries without -fuzz.
const Inputs = 200

// SeedVariable is the environment variable that chooses other inputs: any number. FactorVariable multiplies them.
const (
	SeedVariable   = "CRONBEARER_FUZZ_SEED"
	FactorVariable = "CRONBEARER_FUZZ_FACTOR"
)

// F is a testing.F that remembers its seeds.
type F struct {
	*testing.F

	inputs int
	seeds  [][]any
}

// New wraps a fuzz test.
func New(f *testing.F) *F {
	f.Helper()
	return &F{F: f, inputs: Inputs}
}

// Try sets another number of new inputs, for a test whose inputs take milliseconds.
func (f *F) Try(inputs int) { f.inputs = inputs }

// Add adds a seed.
func (f *F) Add(args ...any) {
	f.Helper()
	f.F.Add(args...)
	f.seeds = append(f.seeds, args)
}

// Fuzz runs the test on its seeds, on the inputs that are kept below testdata/fuzz and on new ones, or fuzzes it with
// -fuzz.
func (f *F) Fuzz(test any) {
	f.Helper()
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() == "" && len(f.seeds) > 0 {
		f.vary()
	}
	f.F.Fuzz(test)
}

// vary adds the new inputs.
func (f *F) vary() {
	f.Helper()
	kept, err := corpus(filepath.Join("testdata", "fuzz", f.Name()))
	if err != nil {
		f.Fatal(err)
	}
	n := max(1, number(FactorVariable)) * uint64(f.inputs)
	for _, args := range varied(slices.Concat(f.seeds, kept), int(n), number(SeedVariable)) {
		f.F.Add(args...)
	}
}

// number is that of an environment variable; 0 if it has none.
func number(variable string) uint64 {
	n, _ := strconv.ParseUint(os.Getenv(variable), 10, 64)
	return n
}

// varied returns n new inputs, made of seeds by chance.
func varied(seeds [][]any, n int, seed uint64) [][]any {
	c := chance{rand.New(rand.NewPCG(seed, uint64(len(seeds))))}
	inputs := make([][]any, n)
	for i := range inputs {
		inputs[i] = c.vary(seeds[c.IntN(len(seeds))], seeds[c.IntN(len(seeds))])
	}
	return inputs
}

type chance struct{ *rand.Rand }

// vary changes some arguments of one seed, with parts of another.
func (c chance) vary(seed, other []any) []any {
	changed := append([]any{}, seed...)
	sure := c.IntN(len(seed)) // at least this one
	for i, old := range seed {
		if i == sure || c.IntN(3) == 0 {
			changed[i] = c.change(old, other[i])
		}
	}
	return changed
}

func (c chance) change(old, other any) any {
	switch old := old.(type) {
	case string:
		return c.text(old, other.(string)) //nolint:forcetypeassert // both seeds have the same types
	case []byte:
		return []byte(c.text(string(old), string(other.([]byte)))) //nolint:forcetypeassert // the same
	case bool:
		return !old
	}
	v := reflect.New(reflect.TypeOf(old)).Elem()
	v.Set(reflect.ValueOf(old))
	switch {
	case v.CanInt():
		v.SetInt(c.number(v.Int()))
	case v.CanUint():
		v.SetUint(uint64(c.number(int64(v.Uint()))))
	}
	return v.Interface()
}

func (c chance) number(n int64) int64 {
	switch c.IntN(5) {
	case 0:
		return n + int64(c.IntN(9)) - 4
	case 1:
		return -n
	case 2:
		return n ^ 1<<c.IntN(64)
	case 3:
		return int64(c.IntN(1000))
	default:
		return int64(c.Uint64())
	}
}

// parts are what parsers of this repository treat specially, or have to reject.
var parts = []string{
	`"`, `'`, `\`, `\"`, `\n`, `\u0000`, `\ud800`, `\u0041`, `{`, `}`, `[`, `]`, `{{`, `}}`, `{{runId}}`, `,`, `:`, `;`,
	`/`, `~1`, `*`, `?`, `#`, `@`, `&`, `=`, `<`, `>`, `|`, `!`, `%`, `%00`, `%41`, `+`, `-`, `.`, `0`, `1`, `-1`, `1e999`,
	`9223372036854775808`, `null`, `true`, `""`, `{}`, `[]`, "\x00", "\x7f", "\xff", "\ufeff", "\u2028", "\u00e9",
	"\U0001f600", " ", "\t", "\n", "\r\n", "Bearer ", "token", "127.0.0.1", "[::1]", "https://", "2027-01-31", "$(x)",
	"# ", "- ", strings.Repeat("A", 65),
}

// text changes a text in one to four places.
func (c chance) text(text, other string) string {
	b := []byte(text)
	for range 1 + c.IntN(4) {
		from := c.IntN(len(b) + 1)
		to := min(len(b), from+c.IntN(8))
		switch c.IntN(7) {
		case 0, 1:
			b = splice(b, from, from, parts[c.IntN(len(parts))])
		case 2:
			b = splice(b, from, to, parts[c.IntN(len(parts))])
		case 3:
			b = splice(b, from, to, "")
		case 4:
			b = splice(b, from, from, string(b[from:min(len(b), from+c.IntN(64))]))
		case 5:
			b = splice(b, from, len(b), other[c.IntN(len(other)+1):])
		case 6:
			if from < len(b) {
				b[from] ^= 1 << c.IntN(8)
			}
		}
	}
	return string(b)
}

// splice replaces a part.
func splice(b []byte, from, to int, with string) []byte {
	return append(append(append([]byte{}, b[:from]...), with...), b[to:]...)
}
