// Package dashboard checks infra/dashboard.yaml offline: its JSON against the structure that AWS documents, its
// searches, its metrics and its queries. The picture of it in docs is drawn by draw.
package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Body is the JSON of a dashboard.
type Body struct {
	Start          string   `json:"start"`
	PeriodOverride string   `json:"periodOverride"`
	Widgets        []Widget `json:"widgets"`
}

// Widget is one of its boxes, on a grid of 24 columns.
type Widget struct {
	Type       string     `json:"type"`
	X          int        `json:"x"`
	Y          int        `json:"y"`
	Width      int        `json:"width"`
	Height     int        `json:"height"`
	Properties Properties `json:"properties"`
}

// Properties are those of all types of widget that this repository uses.
type Properties struct {
	Title       string               `json:"title"`
	Markdown    string               `json:"markdown"`
	Alarms      []string             `json:"alarms"`
	Query       string               `json:"query"`
	View        string               `json:"view"`
	Stacked     bool                 `json:"stacked"`
	Stat        string               `json:"stat"`
	Period      int                  `json:"period"`
	Metrics     [][]any              `json:"metrics"`
	YAxis       map[string]Axis      `json:"yAxis"`
	Annotations map[string][]Horizon `json:"annotations"`
}

// Axis is a side of a graph.
type Axis struct {
	Min   *float64 `json:"min"`
	Max   *float64 `json:"max"`
	Label string   `json:"label"`
}

// Horizon is a horizontal annotation.
type Horizon struct {
	Value float64 `json:"value"`
	Label string  `json:"label"`
	Color string  `json:"color"`
	Fill  string  `json:"fill"`
}

// Parse reads a dashboard's body. The error names everything that does not have the structure of the CloudWatch API
// reference, "Dashboard body structure and syntax". It is stricter than CloudWatch: each widget must say where it is, no
// two may overlap, and what this package does not know is refused.
func Parse(text string) (Body, error) {
	p := &problems{}
	decoder := json.NewDecoder(strings.NewReader(text))
	var v any
	if err := decoder.Decode(&v); err != nil {
		return Body{}, fmt.Errorf("dashboard: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Body{}, errors.New("dashboard: something follows the JSON")
	}
	p.duplicates(text)
	object(map[string]field{
		"start":          {check: pattern(`^-(PT[1-9][0-9]*[MH]|P[1-9][0-9]*[DWM])$`)},
		"periodOverride": {check: oneOf("auto", "inherit")},
		"widgets":        {required: true, check: array(0, 500, widget)},
	})(p, "dashboard", v)
	if err := p.err(); err != nil {
		return Body{}, err
	}
	var b Body
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return Body{}, fmt.Errorf("dashboard: %w", err)
	}
	b.overlaps(p)
	return b, p.err()
}

// Range is how far back the dashboard shows.
func (b Body) Range() time.Duration {
	var n int
	var unit string
	if _, err := fmt.Sscanf(strings.TrimPrefix(strings.TrimPrefix(b.Start, "-P"), "T"), "%d%s", &n, &unit); err != nil {
		return 3 * time.Hour // CloudWatch's default
	}
	switch {
	case strings.HasPrefix(b.Start, "-PT") && unit == "M":
		return time.Duration(n) * time.Minute
	case unit == "H":
		return time.Duration(n) * time.Hour
	case unit == "D":
		return time.Duration(n) * 24 * time.Hour
	case unit == "W":
		return time.Duration(n) * 7 * 24 * time.Hour
	default:
		return time.Duration(n) * 30 * 24 * time.Hour
	}
}

func (b Body) overlaps(p *problems) {
	for i, w := range b.Widgets {
		if w.X+w.Width > 24 {
			p.add(fmt.Sprintf("widgets[%d]", i), "it ends at column %d of 24", w.X+w.Width)
		}
		for j, o := range b.Widgets[:i] {
			if w.X < o.X+o.Width && o.X < w.X+w.Width && w.Y < o.Y+o.Height && o.Y < w.Y+w.Height {
				p.add(fmt.Sprintf("widgets[%d]", i), "it lies over widgets[%d]", j)
			}
		}
	}
}

type problems struct{ list []error }

func (p *problems) add(where, format string, args ...any) {
	p.list = append(p.list, errors.New(where+": "+fmt.Sprintf(format, args...)))
}

func (p *problems) err() error { return errors.Join(p.list...) }

// duplicates finds keys that stand twice in one object: a reader keeps only the last.
func (p *problems) duplicates(text string) {
	decoder := json.NewDecoder(strings.NewReader(text))
	var seen []map[string]bool // of the objects that are open; nil for an array
	key := false
	for {
		token, err := decoder.Token()
		if err != nil {
			return
		}
		name, isText := token.(string)
		switch {
		case token == json.Delim('{'):
			seen, key = append(seen, map[string]bool{}), true
			continue
		case token == json.Delim('['):
			seen, key = append(seen, nil), false
			continue
		case token == json.Delim('}') || token == json.Delim(']'):
			seen = seen[:len(seen)-1]
		case key && isText:
			if seen[len(seen)-1][name] {
				p.add("dashboard", "the key %q stands twice in one object", name)
			}
			seen[len(seen)-1][name], key = true, false
			continue
		}
		key = len(seen) > 0 && seen[len(seen)-1] != nil
	}
}

// check looks at a value.
type check func(p *problems, where string, v any)

type field struct {
	required bool
	check    check
}

func object(fields map[string]field) check {
	return func(p *problems, where string, v any) {
		m, ok := v.(map[string]any)
		if !ok {
			p.add(where, "must be an object")
			return
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			inner, there := m[name]
			switch {
			case there:
				fields[name].check(p, where+"."+name, inner)
			case fields[name].required:
				p.add(where, "%s is missing", name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if _, known := fields[name]; !known {
				p.add(where, "there is no %s here", name)
			}
		}
	}
}

func array(least, most int, item check) check {
	return func(p *problems, where string, v any) {
		list, ok := v.([]any)
		if !ok || len(list) < least || len(list) > most {
			p.add(where, "must be an array of %d to %d", least, most)
			return
		}
		for i, inner := range list {
			item(p, fmt.Sprintf("%s[%d]", where, i), inner)
		}
	}
}

func text(p *problems, where string, v any) {
	if s, ok := v.(string); !ok || s == "" {
		p.add(where, "must be text")
	}
}

func truth(p *problems, where string, v any) {
	if _, ok := v.(bool); !ok {
		p.add(where, "must be true or false")
	}
}

func number(p *problems, where string, v any) {
	if _, ok := v.(float64); !ok {
		p.add(where, "must be a number")
	}
}

func whole(least, most, multiple int) check {
	return func(p *problems, where string, v any) {
		n, ok := v.(float64)
		if !ok || n != float64(int(n)) || int(n) < least || int(n) > most || int(n)%multiple != 0 {
			p.add(where, "must be a whole number from %d to %d, a multiple of %d", least, most, multiple)
		}
	}
}

func pattern(expression string) check {
	compiled := regexp.MustCompile(expression)
	return func(p *problems, where string, v any) {
		if s, ok := v.(string); !ok || !compiled.MatchString(s) {
			p.add(where, "must be text like %s", expression)
		}
	}
}

func oneOf(values ...string) check {
	return func(p *problems, where string, v any) {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			p.add(where, "must be one of %s", strings.Join(values, ", "))
		}
	}
}

var properties = map[string]check{
	"text": object(map[string]field{"markdown": {required: true, check: text}, "background": {check: oneOf("transparent", "solid")}}),
	"log": object(map[string]field{
		"accountId": {check: pattern(`^[0-9]{12}$`)}, "region": {required: true, check: region}, "title": {check: text},
		"query": {required: true, check: pattern(`^SOURCE '[^'|]+' \| (SOURCE '[^'|]+' \| )*[^|]`)},
		"view":  {check: oneOf("table", "timeSeries", "bar", "pie")},
	}),
	"alarm": object(map[string]field{
		"alarms": {required: true, check: array(1, 100, pattern(`^arn:[^:]+:cloudwatch:[^:]+:[0-9]{12}:alarm:[^"\\]+$`))},
		"sortBy": {check: oneOf("default", "stateUpdatedTimestamp", "timestamp")}, "title": {check: text},
		"states": {check: array(0, 3, oneOf("ALARM", "INSUFFICIENT_DATA", "OK"))},
	}),
	"metric": metricWidget,
}

var (
	region = pattern(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	color  = pattern(`^#[0-9a-fA-F]{6}$`)
	stat   = pattern(`^(SampleCount|Average|Sum|Minimum|Maximum|p[0-9]{1,2}(\.[0-9]+)?)$`)
	period = whole(60, 2592000, 60)
	side   = object(map[string]field{"label": {check: text}, "min": {check: number}, "max": {check: number}, "showUnits": {check: truth}})
)

func widget(p *problems, where string, v any) {
	m, _ := v.(map[string]any)
	kind, _ := m["type"].(string)
	inner, ok := properties[kind]
	if !ok {
		p.add(where, "%q is no type of widget that this package knows", kind)
		return
	}
	object(map[string]field{
		"type": {required: true, check: text},
		"x":    {required: true, check: whole(0, 23, 1)}, "y": {required: true, check: whole(0, 10000, 1)},
		"width": {required: true, check: whole(1, 24, 1)}, "height": {required: true, check: whole(1, 1000, 1)},
		"properties": {required: true, check: inner},
	})(p, where, v)
}

func metricWidget(p *problems, where string, v any) {
	object(map[string]field{
		"accountId": {check: pattern(`^[0-9]{12}$`)}, "annotations": {check: annotations}, "liveData": {check: truth},
		"legend":  {check: object(map[string]field{"position": {required: true, check: oneOf("right", "bottom", "hidden")}})},
		"metrics": {required: true, check: metrics}, "period": {check: period}, "region": {required: true, check: region},
		"sparkline": {check: truth}, "stacked": {check: truth}, "stat": {check: stat}, "timezone": {check: pattern(`^[+-][0-9]{4}$`)},
		"title": {check: text}, "view": {check: oneOf("timeSeries", "singleValue", "gauge", "bar", "pie", "table")},
		"yAxis": {check: object(map[string]field{"left": {check: side}, "right": {check: side}})},
	})(p, where, v)
	m, _ := v.(map[string]any)
	axes, _ := m["yAxis"].(map[string]any)
	left, _ := axes["left"].(map[string]any)
	if m["view"] == "gauge" && (left["min"] == nil || left["max"] == nil) {
		p.add(where, "a gauge needs min and max on the left of yAxis")
	}
}

var annotations = object(map[string]field{"horizontal": {required: true, check: array(1, 100, object(map[string]field{
	"value": {required: true, check: number}, "label": {check: text}, "color": {check: color},
	"fill": {check: oneOf("above", "below", "none")}, "visible": {check: truth}, "yAxis": {check: oneOf("left", "right")},
}))}})

var rendering = map[string]field{
	"color": {check: color}, "label": {check: text}, "period": {check: period}, "stat": {check: stat}, "visible": {check: truth},
	"yAxis": {check: oneOf("left", "right")}, "id": {check: pattern(`^[a-z][A-Za-z0-9_]*$`)}, "region": {check: region},
	"accountId": {check: pattern(`^[0-9]{12}$`)},
}

// metrics checks the array as a whole: a "." repeats what stands at its place in the entry above, an id stands once.
func metrics(p *problems, where string, v any) {
	array(1, 500, metric)(p, where, v)
	list, _ := v.([]any)
	ids := map[any]bool{}
	for i, entry := range list {
		row, _ := entry.([]any)
		for k, cell := range row {
			if options, ok := cell.(map[string]any); ok && options["id"] != nil {
				if ids[options["id"]] {
					p.add(where, "the id %v stands twice", options["id"])
				}
				ids[options["id"]] = true
			}
			if cell != "." {
				continue
			}
			var above []any
			if i > 0 {
				above, _ = list[i-1].([]any)
			}
			if k >= len(above) {
				p.add(fmt.Sprintf("%s[%d]", where, i), "nothing stands above its %d. entry", k+1)
			}
		}
	}
}

func metric(p *problems, where string, v any) {
	row, _ := v.([]any)
	if len(row) == 0 {
		p.add(where, "must be an array that is not empty")
		return
	}
	if options, ok := row[len(row)-1].(map[string]any); ok {
		fields := maps.Clone(rendering)
		if len(row) == 1 {
			fields["expression"] = field{required: true, check: text}
		}
		object(fields)(p, where, options)
		if row = row[:len(row)-1]; len(row) == 0 {
			return
		}
	}
	if len(row) < 2 || len(row)%2 != 0 {
		p.add(where, "must be namespace, name, and pairs of a dimension's name and value")
	}
	for _, cell := range row {
		text(p, where, cell)
	}
}

// Series is one metric of a graph, written out, or an expression.
type Series struct {
	Namespace, Name string
	Dimensions      [][2]string
	Expression      string
	ID, Label       string
	Color, Stat     string
	Period          int
	Hidden          bool
}

// Series are the entries of a metric widget, the dots filled in.
func (p Properties) Series() []Series {
	var list []Series
	var above []any
	for _, row := range p.Metrics {
		s := Series{Stat: p.Stat, Period: p.Period}
		if options, ok := row[len(row)-1].(map[string]any); ok {
			row = row[:len(row)-1]
			s.options(options)
		}
		full := slices.Clone(row)
		for i := range full {
			if full[i] == "." {
				full[i] = above[i]
			}
		}
		if len(full) > 1 {
			above = full
			s.Namespace, s.Name = fmt.Sprint(full[0]), fmt.Sprint(full[1])
			for i := 2; i+1 < len(full); i += 2 {
				s.Dimensions = append(s.Dimensions, [2]string{fmt.Sprint(full[i]), fmt.Sprint(full[i+1])})
			}
		}
		list = append(list, s)
	}
	return list
}

func (s *Series) options(options map[string]any) {
	for name, to := range map[string]*string{"expression": &s.Expression, "id": &s.ID, "label": &s.Label, "color": &s.Color, "stat": &s.Stat} {
		if v, ok := options[name].(string); ok {
			*to = v
		}
	}
	if v, ok := options["period"].(float64); ok {
		s.Period = int(v)
	}
	s.Hidden = options["visible"] == false
}

// Search is the one search of an expression, and what is done to its series.
type Search struct {
	Namespace  string
	Dimensions []string
	Metric     string
	Stack      string
	Stat       string
	Period     time.Duration
	Repeated   bool // FILL(…, REPEAT)
	Inverted   bool // 1 - …
}

var searchForm = regexp.MustCompile(`^(1 - )?(FILL\()?SEARCH\('\{"([^"']+)"((?:,[A-Za-z]+)*)\} MetricName="([A-Za-z]+)" Stack="([A-Za-z0-9-]+)"', '(Maximum|Minimum|Sum|Average)', ([0-9]+)\)(, REPEAT\))?$`)

// ParseSearch reads an expression with a search, in the form of the CloudWatch user guide, "search expression syntax":
// namespace in quotes, so that it may hold any character, and exact matches only.
func ParseSearch(expression string) (Search, error) {
	m := searchForm.FindStringSubmatch(expression)
	if m == nil || (m[2] == "") != (m[9] == "") {
		return Search{}, fmt.Errorf("%q is no search that this package knows", expression)
	}
	seconds, err := time.ParseDuration(m[8] + "s")
	if err != nil {
		return Search{}, fmt.Errorf("period of a search: %w", err)
	}
	return Search{
		Namespace: m[3], Dimensions: strings.Split(strings.TrimPrefix(m[4], ","), ","), Metric: m[5], Stack: m[6], Stat: m[7],
		Period: seconds, Repeated: m[2] != "", Inverted: m[1] != "",
	}, nil
}

var fillForm = regexp.MustCompile(`^FILL\(([a-z][A-Za-z0-9_]*), REPEAT\)$`)

// Filled names the series that an expression repeats, or "".
func Filled(expression string) string {
	if m := fillForm.FindStringSubmatch(expression); m != nil {
		return m[1]
	}
	return ""
}
