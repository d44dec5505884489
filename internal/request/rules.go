package request

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cronbearer/cronbearer/internal/ascii"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// Rules say what an answer means for the run and for its token. Reject is asked first: an answer that matches it is
// proof of a dead token, whatever expect allows.
type Rules struct {
	Expect Expect
	Reject Reject
}

// DefaultRules are those of a call without rules: a 2xx is a success.
func DefaultRules() Rules { return Rules{Expect: Expect{Status: success()}} }

func success() []StatusRange { return []StatusRange{{200, 299}} }

// Expect is what an answer must be for the run to succeed. All parts must match.
type Expect struct {
	Status      []StatusRange
	ContentType string // media type, perhaps with parameters; empty: any
	JSON        []JSONRule
}

// Reject is what, in addition to 401 and an invalid_token challenge, means that the token is dead. One part is enough.
// Some APIs answer 200 or 403 for a token that has expired, so the status alone cannot tell.
type Reject struct {
	Status []StatusRange
	JSON   []JSONRule
}

// StatusRange is one status or one class of them, both ends included.
type StatusRange struct{ Low, High int }

// JSONRule matches one of several scalar values at a place, or at one of several places, of the answer's body. Values
// are never lists or objects: comparing those would need rules about order and missing members.
type JSONRule struct {
	Pointer jsondoc.Pointer
	Values  []jsondoc.Value
}

func (r JSONRule) matches(doc jsondoc.Document) bool { return doc.Has(r.Pointer, r.Values...) }

// NeedsBody reports whether a rule reads the body.
func (r Rules) NeedsBody() bool { return len(r.Expect.JSON)+len(r.Reject.JSON) > 0 }

// RejectsStatus reports whether reject.status lists the status. A rate limit says nothing about the token, so no rule
// matches 429; that of a 403 is visible only in the headers, so the caller of this function checks it.
func (r Rules) RejectsStatus(status int) bool {
	return status != http.StatusTooManyRequests && inRanges(status, r.Reject.Status)
}

// RejectsBody reports whether a body says that the token is dead. What is not JSON is a zero doc and does not.
func (r Rules) RejectsBody(doc jsondoc.Document) bool {
	return !doc.IsZero() && slices.ContainsFunc(r.Reject.JSON, func(rule JSONRule) bool { return rule.matches(doc) })
}

// Unmet names the part of expect that an answer fails, empty if none. It shows no byte of the body.
func (r Rules) Unmet(status int, contentType string, doc jsondoc.Document) string {
	if !inRanges(status, r.Expect.Status) {
		return "expect.status does not allow that"
	}
	if r.Expect.ContentType != "" && !sameMediaType(r.Expect.ContentType, contentType) {
		return "the content type does not match expect.contentType"
	}
	for _, rule := range r.Expect.JSON {
		if doc.IsZero() {
			return "the body is not JSON, as expect.json requires"
		}
		if !rule.matches(doc) {
			return "the body at " + jsondoc.Quote(rule.Pointer.String()) + " does not match expect.json"
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

// ParseRules reads expect and reject of an object whose name in problems is where ("" for the event, "probe."). What a
// secret contains is not shown. A rule that no answer can match is a problem: it would report a dead token as alive.
func ParseRules(f *jsondoc.Fields, where string, secret bool, problems *jsondoc.Problems) Rules {
	p := ruleParser{secret, problems}
	return Rules{Expect: p.expect(f, where+"expect"), Reject: p.reject(f, where+"reject")}
}

type ruleParser struct {
	secret   bool
	problems *jsondoc.Problems
}

func (p ruleParser) expect(f *jsondoc.Fields, where string) Expect {
	e := Expect{Status: success()}
	object, ok := f.Object("expect")
	if !ok {
		return e
	}
	inner := jsondoc.NewFields(object, where+".", p.secret, p.problems)
	if list := p.statuses(inner, where+".status", false); len(list) > 0 {
		e.Status = list
	}
	e.ContentType = inner.String("contentType")
	if e.ContentType != "" {
		if media, _, err := mime.ParseMediaType(e.ContentType); err != nil || !strings.Contains(media, "/") ||
			strings.Contains(media, "*") {
			p.problems.Addf("%s.contentType must be one media type such as application/json", where)
		}
	}
	e.JSON = p.jsonRules(inner, where+".json")
	inner.Done()
	return e
}

func (p ruleParser) reject(f *jsondoc.Fields, where string) Reject {
	object, ok := f.Object("reject")
	if !ok {
		return Reject{}
	}
	inner := jsondoc.NewFields(object, where+".", p.secret, p.problems)
	r := Reject{Status: p.statuses(inner, where+".status", true), JSON: p.jsonRules(inner, where+".json")}
	inner.Done()
	return r
}

// statuses allows a 3xx only in reject: a redirect to a sign-in page is how some sites report an expired session.
func (p ruleParser) statuses(f *jsondoc.Fields, where string, redirects bool) []StatusRange {
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
			p.problems.Addf("%s must not contain a 3xx: redirects are not followed, so the call was not done", where)
		default:
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// statusRange accepts a number in a string as well: it is easily quoted next to a "2xx".
func statusRange(v jsondoc.Value) (StatusRange, bool) {
	n, whole := jsondoc.WholeNumber(v)
	if v.Kind == jsondoc.String && len(v.Text) == 3 && '1' <= v.Text[0] && v.Text[0] <= '5' {
		if v.Text[1:] == "xx" {
			low := int(v.Text[0]-'0') * 100
			return StatusRange{low, low + 99}, true
		}
		whole = ascii.Consists(v.Text, 3, 3, ascii.IsDigit)
		n, _ = strconv.Atoi(v.Text)
	}
	return StatusRange{n, n}, whole && 100 <= n && n <= 599
}

// jsonRules keeps the order of the document, though objects have none: the same problem is reported in every run.
func (p ruleParser) jsonRules(f *jsondoc.Fields, where string) []JSONRule {
	object, ok := f.Object("json")
	if !ok {
		return nil
	}
	var rules []JSONRule
	for _, m := range object.Members {
		shown := "a pointer"
		if !p.secret {
			shown = "the pointer " + jsondoc.Quote(m.Name)
		}
		pointer, err := jsondoc.ParsePointer(m.Name)
		values, problem := scalars(m.Value)
		switch {
		case err != nil:
			p.problems.Addf("%s: %s %s", where, shown, err)
		case problem != "":
			p.problems.Addf(
				"%s: the value of %s %s, which nothing matches: write a string, a number, true, false, null, or a list of these",
				where, shown, problem,
			)
		default:
			rules = append(rules, JSONRule{pointer, values})
		}
	}
	return rules
}

// scalars returns the values, any one of which matches.
func scalars(v jsondoc.Value) (values []jsondoc.Value, problem string) {
	values = []jsondoc.Value{v}
	if v.Kind == jsondoc.Array {
		values = v.Items
	}
	if len(values) == 0 {
		return nil, "is an empty list"
	}
	for _, value := range values {
		switch {
		case value.Kind == jsondoc.Object && v.Kind == jsondoc.Object:
			return nil, "is an object"
		case value.Kind == jsondoc.Object, value.Kind == jsondoc.Array:
			return nil, "holds " + value.Kind.String()
		}
	}
	return values, ""
}
