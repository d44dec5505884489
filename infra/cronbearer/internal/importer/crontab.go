package importer

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// crontabReader reads crontab(5) line by line: an assignment holds for the lines below it.
type crontabReader struct {
	im        *importer
	variables map[string]string
	// zone is CRON_TZ of line zoneLine; commands is TZ.
	zone     string
	zoneLine int
	commands string
	// system: the sixth column is a user, as in /etc/crontab.
	system bool
}

func (im *importer) crontab(data []byte) error {
	c := crontabReader{im: im, variables: map[string]string{}}
	im.plain = map[string]string{}
	lines := strings.Split(string(data), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(strings.TrimSuffix(lines[i], "\r"))
	}
	if c.system = systemForm(lines); c.system {
		im.result.Notes = append(im.result.Notes, "The word after the times is read as the user, as in /etc/crontab.")
	}
	for i, line := range lines {
		c.line(i+1, line)
	}
	im.zoneNote()
	return nil
}

// zoneNote says which zone stood in for one that the source does not name.
func (im *importer) zoneNote() {
	if im.options.Zone == "" && slices.ContainsFunc(im.result.Entries, func(e Entry) bool {
		return len(e.Jobs) > 0 && e.ZoneFrom == Assumed
	}) {
		im.result.Notes = append(im.result.Notes,
			"Times without a zone are read as UTC: --timezone names the zone of the machine that ran them.")
	}
}

// Assumed is the ZoneFrom of a zone that nothing says.
const Assumed = "assumed"

var assignment = regexp.MustCompile(`^["']?([A-Za-z_][A-Za-z0-9_]*)["']?\s*=\s*(.*)$`)

func (c *crontabReader) line(number int, text string) {
	c.im.finds.add(number, inShell(text)...)
	if text == "" || strings.HasPrefix(text, "#") {
		return
	}
	if m := assignment.FindStringSubmatch(text); m != nil {
		c.assign(number, m[1], unquote(m[2]))
		return
	}
	c.entry(number, text)
}

func unquote(value string) string {
	value = strings.TrimSpace(value)
	for _, q := range []string{`"`, `'`} {
		if len(value) > 1 && strings.HasPrefix(value, q) && strings.HasSuffix(value, q) {
			return value[1 : len(value)-1]
		}
	}
	return value
}

func (c *crontabReader) assign(number int, name, value string) {
	switch name {
	case "CRON_TZ":
		c.zone, c.zoneLine = value, number
		return
	case "TZ":
		c.commands = value
		if c.zone == "" {
			c.im.result.Notes = append(c.im.result.Notes, fmt.Sprintf("TZ in line %d is the zone of the commands; "+
				"cron reads its times in CRON_TZ or the machine's zone.", number))
		}
	case "RANDOM_DELAY":
		c.im.result.Notes = append(c.im.result.Notes,
			fmt.Sprintf("RANDOM_DELAY in line %d is left out: Window spreads starts.", number))
	}
	if saysSecret(name) && value != "" {
		c.im.finds.add(number, value)
	}
	c.variables[name] = value
	c.im.plain[value] = name
}

// entry reads a line with a schedule and a command.
func (c *crontabReader) entry(number int, text string) {
	times, command := cutTimes(text)
	o := origin{line: number, schedule: times}
	table, err := parseCron(times, vixie)
	if err != nil {
		o.schedule = ""
		c.im.reject(o, "", err)
		return
	}
	o.table = table
	o.zone, o.zoneFrom = c.zone, fmt.Sprintf("CRON_TZ of line %d", c.zoneLine)
	if c.zone == "" {
		o.zone, o.zoneFrom = c.im.options.Zone, "--timezone"
	}
	if o.zone == "" {
		o.zone, o.zoneFrom = "UTC", Assumed
	}
	if c.system {
		_, command = cutFields(command, 1)
	}
	command, input := percents(command)
	s := script{
		marks: &c.im.marks, zones: zones{job: o.zone, commands: c.commands}, variables: maps.Clone(c.variables),
		bash: path.Base(c.variables["SHELL"]) == "bash", input: input, line: number,
	}
	err = s.run(command)
	if input != nil && errors.Is(err, errSyntax) {
		err = errors.New(`cron ends the command at a % without \ before it, and the shell cannot read the rest`)
	}
	if err != nil {
		c.im.reject(o, "", err)
		return
	}
	r, err := s.request()
	if err != nil {
		c.im.reject(o, "", err)
		return
	}
	r.line = number
	c.im.take(o, r)
}

// cutTimes cuts the five fields, or the nickname, off.
func cutTimes(line string) (times, command string) {
	if strings.HasPrefix(line, "@") {
		return cutFields(line, 1)
	}
	return cutFields(line, len(fields))
}

// cutFields cuts the first n words off.
func cutFields(text string, n int) (first, rest string) {
	var words []string
	for range n {
		text = strings.TrimLeft(text, " \t")
		end := strings.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		if end > 0 {
			words = append(words, text[:end])
		}
		text = text[end:]
	}
	return strings.Join(words, " "), strings.TrimLeft(text, " \t")
}

// percents ends a command at the first % without a backslash: what follows is its standard input, each further % a line
// break.
func percents(text string) (command string, input *string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '%':
			b.WriteByte('%')
			i++
		case text[i] == '%' && input == nil:
			command = b.String()
			b.Reset()
			input = new(string)
		case text[i] == '%':
			b.WriteByte('\n')
		default:
			b.WriteByte(text[i])
		}
	}
	if input == nil {
		return b.String(), nil
	}
	*input = b.String()
	return command, input
}

var user = regexp.MustCompile(`^[a-z_][a-z0-9_.-]*\$?$`)

// systemForm reports whether the lines have a user after the times, as in /etc/crontab: in each line a word that begins
// no command that is known here, and in at least one the word after it does. Nothing else tells the two forms apart.
func systemForm(lines []string) bool {
	found := false
	for _, line := range lines {
		if line == "" || strings.HasPrefix(line, "#") || assignment.MatchString(line) {
			continue
		}
		_, command := cutTimes(line)
		name, rest := cutFields(command, 1)
		next, _ := cutFields(rest, 1)
		if !user.MatchString(name) || begins(name) || next == "" {
			return false
		}
		found = found || begins(next)
	}
	return found
}

// begins reports whether a word begins a command that is known here.
func begins(w string) bool {
	name := path.Base(w)
	_, wraps := wrappers[name]
	return name == "curl" || wraps || isAssignment(w) || slices.Contains(quiet, name) ||
		slices.Contains([]string{"sh", "bash", "dash", "ash", "test", "[", "wget"}, name) || strings.HasPrefix(w, "/") ||
		strings.HasPrefix(w, "(") || strings.HasPrefix(w, "[")
}
