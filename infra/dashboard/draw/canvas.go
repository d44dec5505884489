package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/dashboard"
	"github.com/cronbearer/cronbearer/infra/dashboard/insights"
)

// Sizes in pixels.
const (
	column = 52
	row    = 42
	gap    = 8
	margin = 14
)

// palette is CloudWatch's, in its order.
var palette = []string{"#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f"}

const (
	grey  = "#5f6b7a"
	light = "#e9ebed"
	red   = "#d13212"
	green = "#1d8102"
)

// canvas collects the elements of an SVG.
type canvas struct {
	b strings.Builder
}

func (c *canvas) put(format string, args ...any) { fmt.Fprintf(&c.b, format+"\n", args...) }

// rect, text and line take coordinates in pixels.
func (c *canvas) rect(x, y, w, h float64, fill, more string) {
	c.put(`<rect x="%s" y="%s" width="%s" height="%s" fill="%s"%s/>`, px(x), px(y), px(w), px(h), fill, more)
}

func (c *canvas) text(x, y float64, class, text string) {
	c.put(`<text x="%s" y="%s" class="%s">%s</text>`, px(x), px(y), class, html.EscapeString(text))
}

func (c *canvas) line(x1, y1, x2, y2 float64, stroke, more string) {
	c.put(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"%s/>`, px(x1), px(y1), px(x2), px(y2), stroke, more)
}

// px rounds twice: processors that multiply and add in one step differ in the last bits, and the picture may not.
func px(v float64) string {
	v = math.Round(v*1e6) / 1e6
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func (c *canvas) svg(body dashboard.Body) string {
	bottom := 0
	for _, w := range body.Widgets {
		bottom = max(bottom, w.Y+w.Height)
	}
	width, height := 24*column+2*margin, bottom*row+2*margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="The dashboard, drawn from its JSON and from simulated data">
<style>text{font-family:"Amazon Ember","Helvetica Neue",Roboto,Arial,sans-serif;font-size:12px;fill:#16191f}.h1{font-size:22px;font-weight:700}.title{font-size:14px;font-weight:700}.small{font-size:10.5px;fill:%s}.end{font-size:10.5px;fill:%s;text-anchor:end}.mid{font-size:10.5px;fill:%s;text-anchor:middle}.head{font-weight:700;fill:#414d5c;font-size:11.5px}.cell{font-size:11.5px}.bad{font-size:11.5px;fill:%s;font-weight:700}.good{font-size:11.5px;fill:%s}</style>
<rect width="%d" height="%d" fill="#f2f3f3"/>
%s</svg>
`, width, height, width, height, grey, grey, grey, red, green, width, height, c.b.String())
}

// box is the inside of a widget.
type box struct{ x, y, w, h float64 }

func (c *canvas) widget(w *world, g dashboard.Widget, span time.Duration) error {
	in := box{float64(margin + g.X*column + gap/2), float64(margin + g.Y*row + gap/2), float64(g.Width*column - gap), float64(g.Height*row - gap)}
	if g.Type == "text" {
		c.markdown(in, g.Properties.Markdown)
		return nil
	}
	c.rect(in.x, in.y, in.w, in.h, "#fff", ` rx="6" stroke="#d5dbdb"`)
	c.text(in.x+12, in.y+22, "title", g.Properties.Title)
	in = box{in.x + 12, in.y + 34, in.w - 24, in.h - 44}
	switch g.Type {
	case "alarm":
		c.alarms(w, in, g.Properties.Alarms)
	case "metric":
		lines, err := w.graph(g.Properties, span)
		if err != nil {
			return err
		}
		c.graph(in, g.Properties, lines, span)
	case "log":
		return c.log(w, in, g.Properties, span)
	}
	return nil
}

// markdown knows a heading and a paragraph with bold and code, which is what the dashboard has.
func (c *canvas) markdown(in box, markdown string) {
	y := in.y + 28
	for part := range strings.SplitSeq(markdown, "\n") {
		if heading, ok := strings.CutPrefix(part, "# "); ok {
			c.text(in.x+2, y, "h1", heading)
			y += 26
			continue
		}
		c.text(in.x+2, y, "", strings.NewReplacer("**", "", "`", "", "*", "").Replace(part))
		y += 18
	}
}

// alarms draws the states that follow from the simulated data, in the order that the widget asks for.
func (c *canvas) alarms(w *world, in box, arns []string) {
	slices.SortStableFunc(arns, func(a, b string) int { return cmp.Compare(len(w.state(b)), len(w.state(a))) }) // ALARM before OK
	const columns = 4
	width := in.w / columns
	for i, arn := range arns {
		x, y := in.x+float64(i%columns)*width, in.y+float64(i/columns)*24
		state, color := w.state(arn), green
		if state == "ALARM" {
			color = red
		}
		c.rect(x, y, width-8, 20, color, ` rx="3" fill-opacity="0.1"`)
		c.rect(x, y, 4, 20, color, ` rx="1"`)
		c.text(x+11, y+14, "cell", arn[strings.LastIndex(arn, ":")+1:])
		c.put(`<text x="%s" y="%s" class="end">%s</text>`, px(x+width-16), px(y+14), state)
	}
}

// state is what CloudWatch would say of an alarm at the end of the week.
func (w *world) state(arn string) string {
	_, name, _ := strings.Cut(arn[strings.LastIndex(arn, ":")+1:], "-")
	kind, owner, _ := strings.Cut(name, "-")
	bad := false
	switch kind {
	case "TokenRejected":
		bad = w.last(series{w.names.namespace, "TokenRejected", [2]string{"Token", owner}}) == 1
	case "TokenExpiring":
		days := w.last(series{w.names.namespace, "TokenDaysToExpiry", [2]string{"Token", owner}})
		bad = days != 0 && days < 7
	case "FailedRuns":
		bad = w.last(series{"AWS/SQS", "ApproximateNumberOfMessagesVisible", [2]string{"QueueName", w.names.failedRuns}}) > 0
	}
	if bad {
		return "ALARM"
	}
	return "OK"
}

func (w *world) last(s series) float64 {
	if list := w.samples[s]; len(list) > 0 {
		return list[len(list)-1].value
	}
	return 0
}

// graph draws lines or stacked areas over the time that the dashboard shows.
func (c *canvas) graph(in box, p dashboard.Properties, lines []plotted, span time.Duration) {
	legend := c.legend(in, lines)
	area := box{in.x + 30, in.y + 14, in.w - 36, in.h - 34 - legend}
	top, step := scale(p, lines)
	for v := 0.0; v <= top+step/2; v += step {
		y := area.y + area.h*(1-v/top)
		c.line(area.x, y, area.x+area.w, y, light, "")
		c.put(`<text x="%s" y="%s" class="end">%s</text>`, px(area.x-5), px(y+3.5), short(v))
	}
	c.text(in.x, in.y+4, "small", p.YAxis["left"].Label)
	c.days(area, span)
	for _, a := range p.Annotations["horizontal"] {
		y := area.y + area.h*(1-a.Value/top)
		if a.Fill == "below" {
			c.rect(area.x, y, area.w, area.y+area.h-y, a.Color, ` fill-opacity="0.08"`)
		}
		c.line(area.x, y, area.x+area.w, y, a.Color, ` stroke-dasharray="4 3"`)
		c.put(`<text x="%s" y="%s" class="small" style="fill:%s">%s</text>`, px(area.x+4), px(y+13), a.Color, html.EscapeString(a.Label))
	}
	place := func(at time.Time, v float64) (float64, float64) {
		return area.x + area.w*(1-now.Sub(at).Seconds()/span.Seconds()), area.y + area.h*(1-v/top)
	}
	below := map[int64]float64{}
	for _, l := range lines {
		var path, back strings.Builder
		var previous time.Time
		flush := func() {
			if p.Stacked && path.Len() > 0 {
				c.put(`<path d="%s%sZ" fill="%s" fill-opacity="0.55"/>`, path.String(), back.String(), l.color)
			}
			if path.Len() > 0 {
				c.put(`<path d="%s" fill="none" stroke="%s" stroke-width="1.5" stroke-linejoin="round"/>`, path.String(), l.color)
			}
			path.Reset()
			back.Reset()
		}
		for i, point := range l.points {
			base := 0.0
			if p.Stacked {
				base = below[point.at.Unix()]
				below[point.at.Unix()] = base + point.value
			}
			x, y := place(point.at, base+point.value)
			// Along a straight line the two ends say it all.
			if path.Len() > 0 && i+1 < len(l.points) && !p.Stacked && l.points[i+1].value == point.value && l.points[i-1].value == point.value {
				continue
			}
			if p.Stacked && !previous.IsZero() && point.at.Sub(previous) > l.period {
				flush()
			}
			verb := "L"
			if path.Len() == 0 {
				verb = "M"
			}
			fmt.Fprintf(&path, "%s%s %s", verb, px(x), px(y))
			bx, by := place(point.at, base)
			rest := back.String()
			back.Reset()
			fmt.Fprintf(&back, "L%s %s%s", px(bx), px(by), rest)
			previous = point.at
		}
		flush()
	}
}

// days draws the axis of time.
func (c *canvas) days(area box, span time.Duration) {
	c.line(area.x, area.y+area.h, area.x+area.w, area.y+area.h, "#879596", "")
	every := 1
	if area.w < 320 {
		every = 2
	}
	n := 0
	for t := now.Add(-span).Truncate(24 * time.Hour).Add(24 * time.Hour); t.Before(now); t = t.Add(24 * time.Hour) {
		x := area.x + area.w*(1-now.Sub(t).Seconds()/span.Seconds())
		c.line(x, area.y+area.h, x, area.y+area.h+4, "#879596", "")
		if n++; n%every == 0 {
			c.put(`<text x="%s" y="%s" class="mid">%s</text>`, px(x), px(area.y+area.h+16), t.Format("Mon 2"))
		}
	}
}

// legend draws what the lines are called, at the bottom, and says how high it is.
func (c *canvas) legend(in box, lines []plotted) float64 {
	type place struct {
		x, row float64
	}
	places := make([]place, len(lines))
	x, rows := 0.0, 0.0
	for i, l := range lines {
		width := 20 + 6.3*float64(len(l.label))
		if x+width > in.w && x > 0 {
			x, rows = 0, rows+1
		}
		places[i] = place{x, rows}
		x += width
	}
	height := (rows + 1) * 15
	for i, l := range lines {
		y := in.y + in.h - height + places[i].row*15 + 11
		c.rect(in.x+places[i].x, y-8, 9, 9, l.color, ` rx="2"`)
		c.text(in.x+places[i].x+13, y, "small", l.label)
	}
	return height
}

// scale is the top of the left axis, a round number, and the step of its lines.
func scale(p dashboard.Properties, lines []plotted) (float64, float64) {
	most, stacked := 0.0, map[int64]float64{}
	for _, l := range lines {
		for _, point := range l.points {
			stacked[point.at.Unix()] += point.value
			most = max(most, point.value)
			if p.Stacked {
				most = max(most, stacked[point.at.Unix()])
			}
		}
	}
	for _, a := range p.Annotations["horizontal"] {
		most = max(most, a.Value)
	}
	if most <= 2 {
		return 2, 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, smaller := range []float64{2, 2.5, 2} {
		if most/step < 3 {
			step /= smaller
		}
	}
	return math.Ceil(most/step) * step, step
}

func short(v float64) string {
	if v >= 1000 {
		return px(v/1000) + "k"
	}
	return px(v)
}

// log draws a query as a table or as lines.
func (c *canvas) log(w *world, in box, p dashboard.Properties, span time.Duration) error {
	query, err := insights.Parse(p.Query)
	if err != nil {
		return err
	}
	table, err := query.Run(w.lines)
	if err != nil {
		return err
	}
	if p.View == "timeSeries" {
		c.graph(in, p, timeSeries(table, span), span)
		return nil
	}
	c.table(in, table)
	return nil
}

// table draws the rows that there is room for.
func (c *canvas) table(in box, t insights.Table) {
	const height = 21
	widths := make([]float64, len(t.Columns)) // in characters
	for i, name := range t.Columns {
		widths[i] = float64(len(name))
		for _, cells := range t.Rows {
			widths[i] = max(widths[i], float64(len(cell(cells[i]))))
		}
		widths[i] += 3
	}
	total := 0.0
	for _, width := range widths[:len(widths)-1] {
		total += width * 6.1
	}
	c.rect(in.x, in.y-4, in.w, height, "#f4f4f4", "")
	y := in.y + 10
	for n := range len(t.Rows) + 1 {
		if y > in.y+in.h {
			break
		}
		x := in.x + 6
		for i := range t.Columns {
			text, class := t.Columns[i], "head"
			if n > 0 {
				text, class = cell(t.Rows[n-1][i]), "cell"
				switch text {
				case "rejected", "token_rejected", "target_failed", "unreachable":
					class = "bad"
				case "accepted", "succeeded":
					class = "good"
				}
			}
			if room := int((in.x + in.w - x) / 6.4); len([]rune(text)) > room {
				text = string([]rune(text)[:max(room-1, 0)]) + "…"
			}
			c.text(x, y, class, text)
			x += widths[i] * 6.1 * min(1, (in.w-6)/max(total, 1))
		}
		if n > 0 {
			c.line(in.x, y+6.5, in.x+in.w, y+6.5, light, "")
		}
		y += height
	}
}

func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return px(v)
	default:
		return fmt.Sprint(v)
	}
}
