package page_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/page"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
)

// browser is a Chromium that is driven over its DevTools pipe (--remote-debugging-pipe: messages end with a zero byte),
// so that no library is needed.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	session string
	id      int
}

// startBrowser starts Chromium, and skips the test where there is none.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on this machine: apt-get install chromium (CI has it)")
	}
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	c := exec.CommandContext(ctx, path, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
		"--user-data-dir="+t.TempDir(), "about:blank")
	c.ExtraFiles = []*os.File{in, out}
	if err := c.Start(); err != nil {
		stop()
		t.Fatal("Chromium does not start:", err)
	}
	t.Cleanup(func() {
		stop()
		_ = c.Wait() // it was killed
		for _, f := range []*os.File{in, to, from, out} {
			_ = f.Close()
		}
	})
	return &browser{t: t, to: to, from: bufio.NewReader(from)}
}

// call sends a command of the DevTools protocol and returns its result.
func (b *browser) call(method string, params map[string]any) map[string]any {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method, "params": params}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	for {
		data, err := b.from.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		var answer struct {
			ID     int
			Result map[string]any
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(data[:len(data)-1], &answer); err != nil {
			b.t.Fatal(err)
		}
		switch {
		case answer.ID != b.id:
		case answer.Error != nil:
			b.t.Fatalf("%s: %s", method, answer.Error.Message)
		default:
			return answer.Result
		}
	}
}

// open shows a page of a size.
func (b *browser) open(url string, width, height int) {
	b.t.Helper()
	target := b.call("Target.createTarget", map[string]any{"url": "about:blank"})
	attached := b.call("Target.attachToTarget", map[string]any{"targetId": target["targetId"], "flatten": true})
	b.session = fmt.Sprint(attached["sessionId"])
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
	})
	b.call("Page.navigate", map[string]any{"url": url})
}

// js evaluates an expression in the page.
func (b *browser) js(expression string) string {
	b.t.Helper()
	out := b.call("Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")", "returnByValue": true})
	result, _ := out["result"].(map[string]any)
	return fmt.Sprint(result["value"])
}

// waitFor returns when an expression is true.
func (b *browser) waitFor(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if b.js(expression) == "true" {
			return
		}
	}
	b.t.Fatalf("never true: %s\n%s", expression, b.js("document.body.innerText"))
}

// stage is a session that the page drives: the clock moves, a token dies, an email comes.
type stage struct {
	mu       sync.Mutex
	document page.Document
	commands []string
	page     *page.Server
}

func (s *stage) snapshot() page.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.document
}

func (s *stage) do(_ context.Context, command string) error {
	err := s.perform(command)
	s.page.Changed()
	return err
}

func (s *stage) perform(command string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, command)
	switch {
	case strings.HasPrefix(command, "hour"), command == "day", command == "next":
		s.document.Now = s.document.Now.Add(time.Hour)
	case command == "kill ExampleApi":
		s.document.Tokens[0].Killed = true
		s.document.Events = append(s.document.Events, sandbox.Event{
			At: s.document.Now, Kind: sandbox.KindEmail, Recipient: "you@example.com", Alarm: "TokenRejected-ExampleApi",
			Subject: "ALARM: killed in the browser", Text: "Store a new token.",
		})
	default:
		return errors.New("no such command")
	}
	return nil
}

// TestBrowserClicksMovesTheClockAndReadsAnEmail drives the page as a user does, in a real browser, at two widths.
func TestBrowserClicksMovesTheClockAndReadsAnEmail(t *testing.T) {
	t.Parallel()
	for name, width := range map[string]int{"wide": 1200, "narrow": 420} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stage{document: document()}
			server := serve(t, s)
			b := startBrowser(t)
			b.open(server, width, 900)
			b.waitFor(`document.querySelector("#clock")?.innerText.length > 3`)

			before := b.js(`document.querySelector("#clock").innerText`)
			b.js(`document.querySelector('[data-do="hour"]').click()`)
			b.waitFor(`document.querySelector("#clock").innerText != "` + before + `"`)

			b.js(`(document.querySelector("#hours").value = 36, document.querySelector("#forward").click())`)
			b.waitFor(`document.querySelector("#clock").innerText.length > 3`)

			b.js(`document.querySelector('[data-do="kill ExampleApi"]').click()`)
			b.waitFor(`document.querySelector("#emails").innerText.includes("killed in the browser")`)
			b.js(`[...document.querySelectorAll("#emails button")].find(e => e.innerText.includes("killed")).click()`)
			b.waitFor(`document.querySelector("#email").open`)
			if text := b.js(`document.querySelector("#email").innerText`); !strings.Contains(text, "Store a new token.") {
				t.Errorf("the email reads %q", text)
			}
			b.js(`document.querySelector("#close").click()`)
			b.waitFor(`!document.querySelector("#email").open`)
			if wider := b.js(`document.documentElement.scrollWidth > window.innerWidth`); wider != "false" {
				t.Error("the page is wider than its window")
			}
			s.mu.Lock()
			got := strings.Join(s.commands, ", ")
			s.mu.Unlock()
			if got != "hour, hour 36, kill ExampleApi" {
				t.Errorf("the page sent %q", got)
			}
			b.keep(name)
		})
	}
}

func serve(t *testing.T, s *stage) (url string) {
	t.Helper()
	s.page = page.NewServer(s.snapshot, s.do)
	server := httptest.NewServer(s.page)
	t.Cleanup(func() {
		server.CloseClientConnections() // the browser still listens for events
		server.Close()
	})
	return server.URL
}

// keep writes a picture of the page where CRONBEARER_TEST_SCREENSHOTS names a folder.
func (b *browser) keep(name string) {
	folder := os.Getenv("CRONBEARER_TEST_SCREENSHOTS")
	if folder == "" {
		return
	}
	shot := b.call("Page.captureScreenshot", map[string]any{"format": "png"})
	data, err := base64.StdEncoding.DecodeString(fmt.Sprint(shot["data"]))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), data, 0o600)
	}
	if err != nil {
		b.t.Error(err)
	}
}
