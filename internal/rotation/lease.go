package rotation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/cronbearer/cronbearer/internal/retry"
)

const (
	// leaseLife is how long the lease of a rotator that died blocks others. A live one extends it every third of that.
	leaseLife = 10 * time.Second
	// settle is the time that Secrets Manager, whose operations are all eventually consistent (API Reference,
	// ListSecrets), has to show one rotator's announcement to another.
	settle = 250 * time.Millisecond
	// leasePoll is how often a waiting rotator checks again.
	leasePoll = time.Second

	leaseLabel = "cronbearer-renewal."
)

// lease keeps two rotators from renewing a secret at once, which a server with one-time refresh tokens treats as theft
// (RFC 9700 section 4.14). A rotator announces itself by a label on the version that it renews from, and renews when no
// other rotator's label is there. A label creates no version, of which a secret has a hundred at most.
// docs/decisions/0007 lists the alternatives.
type lease struct {
	api     SecretsManager
	secret  string
	version string // that will get the value
	base    string // that it is renewed from; the label stays on it until the rotation is finished
	owner   string
	now     func() time.Time
	log     *slog.Logger
	settle  time.Duration

	label string // attached; empty: none
	until time.Time
}

// newLease chooses a random owner, as a process that was restarted for the same version must not take its dead
// predecessor's label for its own.
func newLease(api SecretsManager, secret, version, base string, now func() time.Time, log *slog.Logger) *lease {
	return &lease{
		api: api, secret: secret, version: version, base: base, owner: rand.Text()[:13], now: now, log: log, settle: settle,
	}
}

// announcement is the content of a label.
type announcement struct {
	mark

	version string // that will get the value
	until   time.Time
}

// live reports whether its rotator may still be at work. One that claims more than a lease is not one of ours.
func (a announcement) live(now time.Time) bool {
	return now.Before(a.until) && a.until.Sub(now) <= leaseLife+time.Minute
}

// announcements returns those among a secret's labels, sorted by when they expire.
func announcements(l labels) []announcement {
	var list []announcement
	for _, mark := range l.marks(leaseLabel) {
		a := announcement{mark: mark}
		if parts := strings.SplitN(strings.TrimPrefix(mark.label, leaseLabel), ".", 3); len(parts) == 3 {
			ms, _ := strconv.ParseInt(parts[0], 10, 64)
			a.until, a.version = time.UnixMilli(ms), parts[2]
		}
		list = append(list, a)
	}
	return list
}

// take waits until the secret is free and acquires the lease, or until another rotator has done the work. Of two that
// announce themselves at the same time the one whose label sorts first continues.
func (l *lease) take(ctx context.Context, done func(context.Context) (bool, error)) (taken bool, err error) {
	for {
		others, err := l.others(ctx)
		if err != nil {
			return false, err
		}
		switch {
		case len(others) == 0 && l.label != "":
			return true, nil // announced, and no one else has been seen since
		case len(others) == 0:
			if err := l.announce(ctx); err != nil {
				return false, err
			}
			if !retry.Sleep(ctx, l.settle) {
				return false, l.noTime()
			}
			continue
		case l.label != "" && (others[0].label < l.label || l.until.Sub(l.now()) < leaseLife/2):
			l.withdraw(ctx)
		}
		if !retry.Sleep(ctx, leasePoll) {
			return false, l.noTime()
		}
		if ok, err := done(ctx); ok || err != nil {
			return false, err
		}
	}
}

// errHeld reports that another rotator has the lease. It is not a failure of the rotation: the other one renews.
var errHeld = errors.New("another rotator held the lease")

func (l *lease) noTime() error {
	return fmt.Errorf(
		"secret %s was not renewed: %w for as long as there was time to wait. Secrets Manager retries the step", l.secret,
		errHeld,
	)
}

// others returns the live announcements of other rotators. Those of dead ones are removed: a version with a label is
// never deleted.
func (l *lease) others(ctx context.Context) ([]announcement, error) {
	out, err := l.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(l.secret)})
	if err != nil {
		return nil, failed("secret %s could not be described: %s", l.secret, explain(err))
	}
	var live []announcement
	for _, a := range announcements(out.VersionIdsToStages) {
		switch {
		case a.label == l.label:
		case a.live(l.now()):
			live = append(live, a)
		default:
			forget(ctx, l.api, l.secret, a.mark, l.log)
		}
	}
	return live, nil
}

// announce writes the time in thirteen digits, enough until the year 2286, so that labels sort by it. A second
// announcement, which extends the lease, is attached before the first is removed: at no moment is there none.
func (l *lease) announce(ctx context.Context) error {
	until := l.now().Add(leaseLife)
	label := fmt.Sprintf("%s%013d.%s.%s", leaseLabel, until.UnixMilli(), l.owner, l.version)
	_, err := l.api.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String(l.secret), VersionStage: aws.String(label), MoveToVersionId: aws.String(l.base),
	})
	if err != nil {
		return failed(
			"secret %s was not renewed: version %s could not be labeled: %s. Secrets Manager retries the step", l.secret,
			l.base, explain(err),
		)
	}
	l.label, l.until = label, until
	return nil
}

// during runs work and extends the lease until it returns. An extension that fails is tried again after another third.
// If all fail, the lease expires while the provider is still asked: the request cannot be taken back, and its answer is
// stored anyway.
func (l *lease) during(ctx context.Context, work func()) {
	ctx, stop := context.WithCancel(ctx)
	var extending sync.WaitGroup
	defer extending.Wait()
	defer stop()
	extending.Go(func() {
		for retry.Sleep(ctx, leaseLife/3) {
			before := mark{l.label, l.base}
			if err := l.announce(ctx); err != nil {
				l.log.WarnContext(
					ctx, "the lease of a renewal could not be extended", "secret", l.secret, "version", l.version, "error",
					err.Error(),
				)
				continue
			}
			forget(ctx, l.api, l.secret, before, l.log)
		}
	})
	work()
}

// withdraw removes the announcement, so that the next rotator need not wait.
func (l *lease) withdraw(ctx context.Context) {
	if l.label != "" {
		forget(ctx, l.api, l.secret, mark{l.label, l.base}, l.log)
	}
	l.label = ""
}
