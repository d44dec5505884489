package idp

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

// Fault is what the token endpoint does wrong. The work is done between Delay and Hold, unless HangUp or Status say
// otherwise.
type Fault struct {
	Grant Grant // of the requests that it befalls; empty: all
	Times int   // how many of them; 0: all, until Heal

	Delay  time.Duration // before the work, in real time
	HangUp bool          // the connection ends before the work
	Status int           // the answer instead of the work
	// Error is the code in the answer with Status; empty: a page of HTML, as proxies send.
	Error      string
	RetryAfter string
	Echo       bool // the answer quotes all that the client sent: no client may pass it on

	Hold time.Duration // after the work, in real time
	Lost bool          // the connection ends after the work: a refresh token is used up, and no one has the new one

	// Change lies: it gets the good answer, to make it worse.
	Change func(body map[string]any)
	Page   bool // 200 with a page of HTML
	CutOff bool // the connection ends in the middle of the body
}

// Slow answers late; the work is done late too, and not at all if the client has hung up by then.
func Slow(d time.Duration) Fault { return Fault{Delay: d} }

// SlowAfter does the work at once and answers late.
func SlowAfter(d time.Duration) Fault { return Fault{Hold: d} }

// HungUp sends no answer and does nothing.
func HungUp() Fault { return Fault{HangUp: true} }

// Lost sends no answer although the work was done.
func Lost() Fault { return Fault{Lost: true} }

// CutOff ends in the middle of the answer.
func CutOff() Fault { return Fault{CutOff: true} }

// Failing answers with a status and an error code of RFC 6749 section 5.2; without one with a page of HTML.
func Failing(status int, code string) Fault { return Fault{Status: status, Error: code} }

// TokenType says something else than Bearer.
func TokenType(v any) Fault { return with("token_type", v) }

// ExpiresIn says how long the token lasts, whatever is true: text, a negative number, json.Number("1e300").
func ExpiresIn(v any) Fault { return with("expires_in", v) }

// Without leaves a key of the answer away.
func Without(key string) Fault {
	return Fault{Change: func(body map[string]any) { delete(body, key) }}
}

// Oversized makes the answer's JSON larger than a number of bytes.
func Oversized(bytes int) Fault {
	return with("padding", strings.Repeat("x", bytes))
}

// Page answers 200 with a page of HTML, as a captive portal does.
func Page() Fault { return Fault{Page: true} }

func with(key string, v any) Fault {
	return Fault{Change: func(body map[string]any) { body[key] = v }}
}

// On is the fault for one grant only.
func (f Fault) On(g Grant) Fault {
	f.Grant = g
	return f
}

// First is the fault for the next n requests only.
func (f Fault) First(n int) Fault {
	f.Times = n
	return f
}

// Fail switches a fault on. Of several that fit a request the one that was switched on first counts, until its Times
// are over.
func (s *Server) Fail(f Fault) error {
	switch {
	case f.Times < 0 || f.Delay < 0 || f.Hold < 0:
		return errors.New("a fault has no negative Times, Delay or Hold")
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("a fault's Status is 400 to 599, not %d", f.Status)
	case f.Status == 0 && (f.Error != "" || f.RetryAfter != "" || f.Echo):
		return errors.New("a fault's Error, RetryAfter and Echo need a Status")
	case f.Delay == 0 && f.Hold == 0 && f.Status == 0 && !f.HangUp && !f.Lost && !f.Page && !f.CutOff && f.Change == nil:
		return errors.New("a fault that does nothing")
	}
	s.faults.Add(f, f.Times)
	return nil
}

// Heal switches all faults off.
func (s *Server) Heal() { s.faults.Clear() }

// fault is that of one request.
func (s *Server) fault(grant Grant) Fault {
	return s.faults.Next(func(f Fault) bool { return f.Grant == "" || f.Grant == grant })
}

// reject is the answer with Status.
func (f Fault) reject(w http.ResponseWriter, form url.Values, authorization string) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	quoted := ""
	if f.Echo {
		parts := []string{"", authorization, form.Encode()}
		for _, name := range slices.Sorted(maps.Keys(form)) { // and as they were before they were encoded
			parts = append(parts, form[name]...)
		}
		quoted = strings.Join(parts, " ")
	}
	if f.Error == "" {
		page(w, f.Status, quoted)
		return
	}
	send(w, f.Status, map[string]any{"error": f.Error, "error_description": "a fault that was asked for" + quoted})
}

func page(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<html><body><h1>%s</h1>%s</body></html>\n", http.StatusText(status), html.EscapeString(text))
}

// write is the good answer, as far as the fault leaves it good.
func (f Fault) write(w http.ResponseWriter, body map[string]any) {
	if f.Page {
		page(w, http.StatusOK, "")
		return
	}
	if f.Change != nil {
		body = maps.Clone(body)
		f.Change(body)
	}
	if !f.CutOff {
		send(w, http.StatusOK, body)
		return
	}
	text, _ := json.Marshal(body) // as above
	head(w)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(text[:len(text)/2])
	_ = http.NewResponseController(w).Flush()
	fault.HangUp()
}
