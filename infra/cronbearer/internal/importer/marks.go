package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A mark is one rune of a private plane that represents in a text what the source does not say: a variable, a command's
// output. So words, URLs and bodies with such parts are ordinary strings until they are written.
type mark struct {
	// placeholder is what is written for it.
	placeholder string
	// variable is the name of a variable whose value is not known.
	variable string
	// reason says why there is neither.
	reason string
	// note is added to a job that has the placeholder.
	note string
	// command is the text of a command whose output it is: the same text is the same token.
	command string
}

const firstMark = 0xF0000

type marks []mark

func (m *marks) add(k mark) string {
	*m = append(*m, k)
	return string(rune(firstMark + len(*m) - 1)) //nolint:gosec // far fewer than a plane has
}

// variable returns the mark of a variable, the same for the same name.
func (m *marks) variable(name string) string { return m.same(mark{variable: name}) }

// same adds a mark unless it is there.
func (m *marks) same(k mark) string {
	if i := slices.Index(*m, k); i >= 0 {
		return string(rune(firstMark + i)) //nolint:gosec // far fewer than a plane has
	}
	return m.add(k)
}

func (m *marks) of(r rune) (mark, bool) {
	i := int(r) - firstMark
	if i < 0 || i >= len(*m) {
		return mark{}, false
	}
	return (*m)[i], true
}

// sole returns the variable that is the whole text.
func (m *marks) sole(text string) (mark, bool) {
	runes := []rune(strings.TrimSpace(text))
	if len(runes) != 1 {
		return mark{}, false
	}
	return m.of(runes[0])
}

func (m *marks) any(text string) bool { return strings.ContainsFunc(text, isMark) }

func isMark(r rune) bool { return r >= firstMark }

// fill writes the placeholders into a text. where names the text in the error.
func (m *marks) fill(text, where string) (string, error) {
	if strings.Contains(text, "{{") {
		return "", fmt.Errorf("%s has {{, which would be read as a placeholder", where)
	}
	var b strings.Builder
	for _, r := range text {
		k, ok := m.of(r)
		switch {
		case !ok:
			b.WriteRune(r)
		case k.placeholder != "":
			b.WriteString(k.placeholder)
		case k.reason != "":
			return "", fmt.Errorf("%s has %s", where, k.reason)
		default:
			return "", fmt.Errorf("%s has the variable %s, whose value the file does not define", where, k.variable)
		}
	}
	return b.String(), nil
}

// notes returns what is to be said of the placeholders in texts.
func (m *marks) notes(texts ...string) []string {
	var notes []string
	for _, r := range strings.Join(texts, "") {
		if k, ok := m.of(r); ok && k.note != "" {
			notes = append(notes, k.note)
		}
	}
	return notes
}

// zones are those of one line: of its times and of what its commands see.
type zones struct {
	job string
	// commands is TZ, "" if it is the machine's.
	commands string
}

func isUTC(zone string) bool {
	switch strings.ToUpper(zone) {
	case "UTC", "ETC/UTC", "UTC0", "ZULU", "ETC/ZULU", "UCT":
		return true
	}
	return false
}

var (
	ago = regexp.MustCompile(`^([+-]?) ?([0-9]{1,4}) ?(day|hour|week)s?( ago)?$`)
	bsd = regexp.MustCompile(`^([+-])([0-9]{1,4})([dHw])$`)
)

// dateMark returns the placeholder of a call of date, whose arguments are literal.
func dateMark(arguments []string, z zones) mark {
	d := dateCall{utc: isUTC(z.commands)}
	if !d.read(arguments) {
		return mark{reason: "a date in a form that no placeholder has"}
	}
	text := "$(date " + strings.TrimSpace(d.shown) + ")"
	switch {
	case d.utc:
		return mark{placeholder: "{{scheduled" + d.kind + d.offset + "}}"}
	case z.commands != "" && z.commands != z.job:
		return mark{reason: "the date in " + z.commands + ", which is neither UTC nor the zone of the job"}
	case isUTC(z.job):
		p := "{{scheduled" + d.kind + d.offset + "}}"
		return mark{placeholder: p, note: text + " → " + p + ": it is UTC; the source's was the machine's zone"}
	default:
		p := "{{local" + d.kind + d.offset + "}}"
		k := mark{placeholder: p, note: text + " → " + p + ", in " + z.job}
		if z.commands == "" {
			k.note += "; the source's was the machine's zone"
		}
		return k
	}
}

type dateCall struct {
	utc, zulu           bool
	kind, offset, shown string
}

func (d *dateCall) read(arguments []string) bool {
	for i := 0; i < len(arguments); i++ {
		a := arguments[i]
		value := func(short, long string) (string, bool) {
			if v, ok := strings.CutPrefix(a, long+"="); ok {
				return v, true
			}
			if v, ok := strings.CutPrefix(a, short); ok && v != "" {
				return v, true
			}
			if (a == short || a == long) && i+1 < len(arguments) {
				i++
				return arguments[i], true
			}
			return "", false
		}
		switch {
		case a == "-u" || a == "--utc" || a == "--universal":
			d.utc = true
		case strings.HasPrefix(a, "+"):
			if !d.format(a[1:]) {
				return false
			}
		case strings.HasPrefix(a, "-I") || strings.HasPrefix(a, "--iso-8601"):
			if !d.iso(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(a, "-I"), "--iso-8601"), "=")) {
				return false
			}
		default:
			if v, ok := value("-d", "--date"); ok && d.relative(v) {
				continue
			}
			if v, ok := value("-v", "-v"); ok && d.bsd(v) {
				continue
			}
			return false
		}
	}
	return d.kind != "" && (d.utc || !d.zulu)
}

func (d *dateCall) format(f string) bool {
	d.shown = "+" + f
	switch f {
	case "%F", "%Y-%m-%d":
		d.kind = "Date"
	case "%FT%TZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%TZ", "%FT%H:%M:%SZ":
		d.kind, d.zulu = "Time", true
	case "%FT%T%:z", "%Y-%m-%dT%H:%M:%S%:z":
		d.kind = "Time"
	default:
		return false
	}
	return true
}

func (d *dateCall) iso(precision string) bool {
	d.shown = "-I" + precision
	switch precision {
	case "", "date":
		d.kind = "Date"
	case "seconds", "s":
		d.kind = "Time"
	default:
		return false
	}
	return true
}

// relative reads the words of GNU date's -d for whole days and hours.
func (d *dateCall) relative(text string) bool {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	switch text {
	case "now", "today":
		return true
	case "yesterday":
		text = "-1 day"
	case "tomorrow":
		text = "+1 day"
	case "last week":
		text = "-1 week"
	}
	m := ago.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	sign := "+"
	if (m[1] == "-") != (m[4] != "") {
		sign = "-"
	}
	return d.shift(sign, m[2], m[3][:1])
}

// bsd reads -v of the BSDs' date.
func (d *dateCall) bsd(text string) bool {
	m := bsd.FindStringSubmatch(text)
	return m != nil && d.shift(m[1], m[2], strings.ToLower(m[3]))
}

func (d *dateCall) shift(sign, count, unit string) bool {
	n, err := strconv.Atoi(count)
	if err != nil || d.offset != "" {
		return false
	}
	if unit == "w" {
		n, unit = 7*n, "d" //nolint:mnd // days
	}
	if n > 0 {
		d.offset = sign + strconv.Itoa(n) + unit
	}
	return true
}
