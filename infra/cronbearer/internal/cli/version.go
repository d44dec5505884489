package cli

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/version"
)

type versionDocument struct {
	view.Versioned

	Tool string `json:"tool"`
	Go   string `json:"go"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
}

func newVersionCommand(a *App) *cobra.Command {
	c := &cobra.Command{
		Use: "version", Short: "Print the version", GroupID: reference, Args: arguments(),
		Long:    "Print the version of the tool and of the Go that built it. Nothing is looked up\non a network.",
		Example: "  cronbearer version",
		RunE: func(*cobra.Command, []string) error {
			d := versionDocument{
				Versioned: view.V1, Tool: toolVersion(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
			}
			if a.IO.JSON {
				return a.IO.WriteJSON(d)
			}
			a.IO.Printf("cronbearer %s (%s, %s/%s)\n", d.Tool, d.Go, d.OS, d.Arch)
			return nil
		},
	}
	a.describes("version", versionDocument{})
	return c
}

// toolVersion adds the commit to what is not a release, where Go has recorded one.
func toolVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.Contains(version.Current, "-") {
		return version.Current
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return version.Current + "+" + s.Value[:min(len(s.Value), 12)]
		}
	}
	return version.Current
}
