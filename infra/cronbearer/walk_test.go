package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// The walks of the runbooks, walk_*.txtar, begin with an alarm's email and end with the alarm OK. What they need of the
// world around the account is here; cloud's own comment lists these verbs, too.

// issuer is the authorization server of a script's account, with one client.
type issuer struct {
	*idp.Server

	secret string // of the client
}

const (
	issuerHost = "id.example.com"
	clientID   = "cronbearer"
)

func (i *issuer) setClient(secret string) error {
	i.secret = secret
	return i.Register(idp.Client{
		ID: clientID, Auth: idp.AuthBasic, Secret: secret, Grants: []idp.Grant{idp.ClientCredentials, idp.RefreshToken},
	})
}

// walkVerbs are those of the walks.
var walkVerbs = map[string]func(*testscript.TestScript, *simulated, []string) error{
	"email":  saveEmail,
	"expect": expectAlarm,
	"answer": func(_ *testscript.TestScript, s *simulated, args []string) error {
		status, err := strconv.Atoi(args[1])
		s.Target(args[0]).Answer(upstream.Answer{Status: status})
		return err
	},
	"forbid": func(_ *testscript.TestScript, s *simulated, args []string) (err error) {
		s.restore, err = s.Forbid(args[0], args[1])
		return err
	},
	"restore": func(_ *testscript.TestScript, s *simulated, _ []string) error {
		s.restore()
		return nil
	},
	"disable": disableSchedule,
	"issuer":  startIssuer,
	"client":  func(_ *testscript.TestScript, s *simulated, args []string) error { return s.issuer.setClient(args[0]) },
	"login":   logIn,
	"revoke":  revokeRefreshToken,
	"renew": func(_ *testscript.TestScript, s *simulated, args []string) error {
		_, err := s.AddRotation(awssimtest.Root()+"/infra/rotation.yaml", args[0], args[1])
		return err
	},
}

// saveEmail writes what a reader sees of the newest email about an alarm: its subject and the part that the template
// writes, in a window of 80 columns.
func saveEmail(ts *testscript.TestScript, s *simulated, args []string) error {
	for _, e := range slices.Backward(s.Emails("")) {
		if !strings.HasSuffix(e.Alarm, "-"+args[0]) {
			continue
		}
		body := e.Body
		if _, after, ok := strings.Cut(body, "- Description:"); ok {
			body, _, _ = strings.Cut(after, "\n- State Change:")
		}
		text := "Subject: " + e.Subject + "\n\n" + strings.TrimSpace(body) + "\n"
		return os.WriteFile(ts.MkAbs(args[1]), []byte(fold(text)), 0o600)
	}
	return fmt.Errorf("no email about %s", args[0])
}

// fold breaks lines as a narrow window does: between words, and within a word that is longer.
func fold(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		for len(line) > maxColumns {
			at := strings.LastIndexByte(line[:maxColumns+1], ' ')
			if at <= 0 { // a URL
				at = strings.LastIndexByte(line[:maxColumns], '/') + 1
			}
			if at <= 0 {
				at = maxColumns
			}
			b.WriteString(strings.TrimRight(line[:at], " ") + "\n")
			line = strings.TrimPrefix(line[at:], " ")
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func expectAlarm(_ *testscript.TestScript, s *simulated, args []string) error {
	if got := s.AlarmState(args[0]); got != alarm.State(args[1]) {
		return fmt.Errorf("%s is %s, want %s", args[0], got, args[1])
	}
	return nil
}

// disableSchedule is what someone does in the console: all else stays as it is.
func disableSchedule(_ *testscript.TestScript, s *simulated, args []string) error {
	for _, one := range s.Schedules() {
		if strings.Contains(one.Name, "Job"+args[0]+"-") {
			one.Properties["State"] = "DISABLED"
			return s.UpdateSchedule(one.Group, one.Name, one.Properties)
		}
	}
	return fmt.Errorf("no schedule of %s", args[0])
}

// startIssuer adds an authorization server, whose tokens the API accepts.
func startIssuer(_ *testscript.TestScript, s *simulated, args []string) error {
	s.issuer = &issuer{Server: idp.New(s.Now)}
	s.Target(args[0]).Rule(func(q upstream.Request) (upstream.Answer, bool) {
		return upstream.Answer{Status: 200}, s.issuer.Valid(q.Token)
	})
	return errors.Join(s.issuer.setClient("fake-client-secret-one"), s.Host(issuerHost, s.issuer))
}

// logIn is what a user does in a browser: the whole secret of a token that the rotator renews, in a file.
func logIn(ts *testscript.TestScript, s *simulated, args []string) error {
	tokens, err := s.issuer.LogIn(clientID, "")
	if err != nil {
		return err
	}
	value, err := json.Marshal(map[string]any{
		"token": tokens.Access, "expires_at": tokens.Expires.Format(time.RFC3339),
		"oauth2": map[string]any{
			"grant": "refresh_token", "token_url": "https://" + issuerHost + idp.TokenPath,
			"client_id": clientID, "client_secret": s.issuer.secret, "refresh_token": tokens.Refresh,
		},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[0]), value, 0o600)
}

// revokeRefreshToken is the user's withdrawn consent.
func revokeRefreshToken(_ *testscript.TestScript, s *simulated, args []string) error {
	text, _ := s.Secrets.Value(s.SecretID(args[0]), "AWSCURRENT")
	var value struct {
		OAuth2 struct {
			RefreshToken string `json:"refresh_token"`
		} `json:"oauth2"`
	}
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return err
	}
	if !s.issuer.Revoke(value.OAuth2.RefreshToken) {
		return errors.New("the issuer does not know the stored refresh token")
	}
	return nil
}
