package job

import (
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// Expect is what an answer must be for the run to have succeeded. All parts must hold.
type Expect struct {
	Status      []StatusRange
	ContentType string // media type, perhaps with parameters; empty: any
	JSON        []JSONRule
}

// Reject is what, beside 401, also means that the token is dead. Any part is enough.
type Reject struct {
	Status []StatusRange
	JSON   []JSONRule
}

// StatusRange is one status or one class of them, both ends included.
type StatusRange struct{ Low, High int }

// JSONRule wants a value at a place of the answer's body.
type JSONRule struct {
	Pointer jsondoc.Pointer
	Value   jsondoc.Value
}

func (r JSONRule) matches(doc jsondoc.Document) bool { return doc.Has(r.Pointer, r.Value) }

// NeedsBody tells whether a rule looks at the body.
func (j Job) NeedsBody() bool { return len(j.Expect.JSON)+len(j.Reject.JSON) > 0 }

// RejectsStatus tells whether the status alone says that the token is dead: 401 (RFC 9110 section 15.5.2) always does.
func (j Job) RejectsStatus(status int) bool {
	return status == http.StatusUnauthorized || inRanges(status, j.Reject.Status)
}

// RejectsBody tells whether a body says that the token is dead. What is not JSON is a zero doc and does not.
func (j Job) RejectsBody(doc jsondoc.Document) bool {
	return !doc.IsZero() && slices.ContainsFunc(j.Reject.JSON, func(r JSONRule) bool { return r.matches(doc) })
}

// Unmet says which part of expect an answer fails, empty if none. It shows no byte of the body.
func (j Job) Unmet(status int, contentType string, doc jsondoc.Document) string {
	if !inRanges(status, j.Expect.Status) {
		return "expect.status does not allow that"
	}
	if j.Expect.ContentType != "" && !sameMediaType(j.Expect.ContentType, contentType) {
		return "the content type is not what expect.contentType wants"
	}
	for _, r := range j.Expect.JSON {
		if doc.IsZero() {
			return "the body is not JSON, as expect.json wants"
		}
		if !r.matches(doc) {
			return "the body at " + jsondoc.Quote(r.Pointer.String()) + " is not what expect.json wants"
		}
	}
	return ""
}

func inRanges(status int, ranges []StatusRange) bool {
	return slices.ContainsFunc(ranges, func(r StatusRange) bool { return r.Low <= status && status <= r.High })
}

// sameMediaType compares types without regard to case (RFC 9110 section 8.3.1); parameters count only if expected.
func sameMediaType(want, got string) bool {
	wantType, wantParameters, err := mime.ParseMediaType(want)
	if err != nil {
		return false
	}
	gotType, gotParameters, err := mime.ParseMediaType(got)
	if gotType != wantType || (err != nil && len(wantParameters) > 0) {
		return false
	}
	for name, value := range wantParameters {
		if !strings.EqualFold(gotParameters[name], value) {
			return false
		}
	}
	return true
}

func (p *parser) expect(f *jsondoc.Fields) Expect {
	e := Expect{Status: []StatusRange{{200, 299}}}
	object, ok := f.Object("expect")
	if !ok {
		return e
	}
	inner := jsondoc.NewFields(object, "expect.", false, &p.problems)
	if list := p.statuses(inner, "expect.status", false); len(list) > 0 {
		e.Status = list
	}
	e.ContentType = inner.String("contentType")
	if e.ContentType != "" {
		if _, _, err := mime.ParseMediaType(e.ContentType); err != nil || !strings.Contains(e.ContentType, "/") {
			p.problems.Addf("expect.contentType must be a media type such as application/json")
		}
	}
	e.JSON = p.jsonRules(inner, "expect.json")
	inner.Done()
	return e
}

func (p *parser) reject(f *jsondoc.Fields) Reject {
	object, ok := f.Object("reject")
	if !ok {
		return Reject{}
	}
	inner := jsondoc.NewFields(object, "reject.", false, &p.problems)
	r := Reject{Status: p.statuses(inner, "reject.status", true), JSON: p.jsonRules(inner, "reject.json")}
	inner.Done()
	return r
}

func (p *parser) statuses(f *jsondoc.Fields, where string, redirects bool) []StatusRange {
	list, ok := f.Array("status")
	if !ok {
		return nil
	}
	var ranges []StatusRange
	for _, v := range list.Items {
		r, ok := statusRange(v)
		switch {
		case !ok:
			p.problems.Addf(`%s: a status is a number from 100 to 599 or a class such as "2xx"`, where)
		case !redirects && r.Low < 400 && r.High >= 300:
			p.problems.Addf("%s must not hold a 3xx: redirects are not followed, so the call was not done", where)
		default:
			ranges = append(ranges, r)
		}
	}
	return ranges
}

func statusRange(v jsondoc.Value) (StatusRange, bool) {
	if v.Kind == jsondoc.String {
		if len(v.Text) == 3 && '1' <= v.Text[0] && v.Text[0] <= '5' && v.Text[1:] == "xx" {
			low := int(v.Text[0]-'0') * 100
			return StatusRange{low, low + 99}, true
		}
		return StatusRange{}, false
	}
	n, whole := jsondoc.WholeNumber(v)
	return StatusRange{n, n}, whole && 100 <= n && n <= 599
}

func (p *parser) jsonRules(f *jsondoc.Fields, where string) []JSONRule {
	object, ok := f.Object("json")
	if !ok {
		return nil
	}
	var rules []JSONRule
	for _, m := range object.Members {
		pointer, err := jsondoc.ParsePointer(m.Name)
		if err != nil {
			p.problems.Addf("%s: the pointer %s %s", where, jsondoc.Quote(m.Name), err)
			continue
		}
		rules = append(rules, JSONRule{pointer, m.Value})
	}
	return rules
}
