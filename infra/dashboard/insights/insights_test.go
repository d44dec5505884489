package insights_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/dashboard/insights"
)

func lines(t *testing.T, texts ...string) []insights.Line {
	t.Helper()
	var list []insights.Line
	for i, text := range texts {
		l, err := insights.Flatten(time.Unix(1800000000, 0).Add(time.Duration(i)*time.Hour), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

func TestQueries(t *testing.T) {
	t.Parallel()
	logged := lines(t,
		`{"message":"run","result":{"job":"A","ms":10,"outcome":"succeeded"}}`,
		`{"message":"run","result":{"job":"B","ms":30,"outcome":"token_rejected"},"error":"no"}`,
		`{"message":"warned","list":[{"x":1}]}`,
		`{"message":"run","result":{"job":"A","ms":20,"outcome":"target_failed"},"error":"why"}`,
	)
	cases := map[string]struct {
		query string
		want  string
	}{
		"fields, the newest first": {`filter message = "run" | fields result.job as job, error`, "job error: A why; B no; A -"},
		"sorted and limited":       {`filter message="run" | fields result.job as j | sort @timestamp asc | limit 2`, "j: A; B"},
		"by a field before fields": {`filter ispresent(error) | fields result.job as j | sort result.ms desc`, "j: B; A"},
		"stats": {
			`filter message = "run" | fields result.job as j, strcontains(result.outcome, "succeeded") as ok | stats count(*) as n, sum(ok) as good, latest(result.outcome) as last, earliest(result.outcome) as first, max(result.ms) as most, min(result.ms) as least, avg(result.ms) as mean, pct(result.ms, 50) as half by j | sort j asc`,
			"j n good last first most least mean half: A 2 1 target_failed succeeded 20 10 15 10; B 1 0 token_rejected token_rejected 30 30 30 30",
		},
		"count of what is there": {`stats count(error) as n`, "n: 2"},
		"nothing to add up":      {`filter message = "warned" | stats sum(result.ms) as n`, "n: -"},
		"bins":                   {`filter message = "run" | stats count(*) as n by bin(2h) | sort n asc`, "bin(2h) n: 1800007200000 1; 1800000000000 2"},
		"or, in and brackets":    {`filter message = "run" and (result.ms >= 30 or result.outcome in ["succeeded", "skipped"]) | fields result.ms as ms`, "ms: 30; 10"},
		"like":                   {`filter result.job like /^(?i)b$/ or error like "wh" | fields error`, "error: why; no"},
		"other comparisons":      {`filter result.ms < 30 and result.ms <= 20 and result.ms > 9 and result.job != "B" | fields result.ms as ms`, "ms: 20; 10"},
		"a list's place":         {`filter list.0.x = 1 | fields message`, "message: warned"},
		"comments":               {"# a | b\nfilter message = \"warned\" # c\n| fields message", "message: warned"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, err := insights.Parse(c.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := q.Run(logged)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, show(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func show(t insights.Table) string {
	var rows []string
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			switch v := cell.(type) {
			case nil:
				cells[i] = "-"
			case float64:
				cells[i] = fmt.Sprintf("%.0f", v)
			default:
				cells[i] = fmt.Sprint(v)
			}
		}
		rows = append(rows, strings.Join(cells, " "))
	}
	return strings.Join(t.Columns, " ") + ": " + strings.Join(rows, "; ")
}

func TestFieldsAndSources(t *testing.T) {
	t.Parallel()
	q, err := insights.Parse("SOURCE 'a/b' | SOURCE 'c' | filter x.y = 1 and level in [\"A\"] | fields x.z as n, level | stats latest(n) as last, max(@timestamp) as at by level | sort last desc")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a/b", "c"}, q.Sources); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"x.y", "level", "x.z", "@timestamp"}, q.Fields()); diff != "" {
		t.Error(diff)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{
		"nothing":                  "",
		"unknown command":          "parse @message 'a'",
		"unknown function":         "fields nosuch(a)",
		"aggregate outside stats":  "filter count(*) > 1",
		"function as an aggregate": "stats strcontains(a, \"b\")",
		"too few arguments":        "stats pct(a)",
		"open bracket":             "filter (a = 1",
		"open call":                "stats count(* by a",
		"open list":                "filter a in [1",
		"no list":                  "filter a in 1",
		"open quote":               "filter a = \"b",
		"no limit":                 "limit x",
		"limit of nothing":         "limit 0",
		"alias with a dot":         "fields a as b.c",
		"alias that is a word":     "fields a as 1",
		"two commands in one":      "filter a = 1 limit 2",
		"operator that is not":     "filter a == 1",
		"bad expression":           "filter a like /(/",
		"source without quotes":    "SOURCE a | filter b = 1",
		"end after a pipe":         "filter a = 1 |",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := insights.Parse(query); err == nil {
				t.Errorf("%q is taken", query)
			}
		})
	}
}

func TestFlattenRefusesText(t *testing.T) {
	t.Parallel()
	if _, err := insights.Flatten(time.Time{}, []byte("plain")); err == nil {
		t.Error("a line that is no JSON is taken")
	}
}
