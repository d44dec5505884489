package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// release is one build.
type release struct {
	root, version, out, tools string

	systems []string // of the tool, as linux/arm64
}

// The functions run on Lambda's two architectures; the template asks for the first, which is the cheaper one. The tool
// runs where Go's own downloads do for most people.
var (
	functions     = []string{"caller", "rotator"}
	architectures = []string{"arm64", "amd64"}
	systems       = []string{
		"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64",
	}
)

const (
	notices   = "THIRD-PARTY-NOTICES.txt"
	checksums = "SHA256SUMS"
	tool      = "./infra/cronbearer"
)

func (r release) build(ctx context.Context) error {
	if err := tree(r.root).check(r.version); err != nil {
		return err
	}
	notes, err := tree(r.root).notes(r.version)
	if err != nil {
		return err
	}
	third, err := thirdParty(ctx, r.root)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(r.out), os.MkdirAll(r.out, 0o755)); err != nil { // #nosec G301: to be published
		return err
	}
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // the system clears it
	steps := []func() error{
		func() error { return r.write("NOTES.md", notes) },
		func() error { return r.write(notices, third.text()) },
		func() error { return r.functions(ctx, work) },
		func() error { return r.tool(ctx, work) },
		func() error { return r.templates(ctx, work) },
		func() error { return r.components(ctx, work) },
		r.sums,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r release) write(name, text string) error {
	return os.WriteFile(filepath.Join(r.out, name), []byte(text), 0o644) // #nosec G306: to be published
}

// functions are zip files as Lambda takes them, for both architectures.
func (r release) functions(ctx context.Context, work string) error {
	for _, name := range functions {
		for _, arch := range architectures {
			binary := filepath.Join(work, r.functionName(name, arch))
			if err := r.compile(ctx, "./functions/"+name, "linux", arch, binary); err != nil {
				return err
			}
			if err := pack(filepath.Join(r.out, filepath.Base(binary)+".zip"),
				entry{name: "bootstrap", from: binary, executable: true}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r release) functionName(name, arch string) string {
	return fmt.Sprintf("cronbearer-%s_%s_%s", name, r.version, arch)
}

// tool is one archive for each system, with what its licences ask for.
func (r release) tool(ctx context.Context, work string) error {
	for _, pair := range r.systems {
		system, arch, _ := strings.Cut(pair, "/")
		name, kind := "cronbearer", ".tar.gz"
		if system == "windows" {
			name, kind = "cronbearer.exe", ".zip"
		}
		binary := filepath.Join(work, fmt.Sprintf("cronbearer_%s_%s_%s", r.version, system, arch))
		if err := r.compile(ctx, tool, system, arch, binary); err != nil {
			return err
		}
		if err := pack(filepath.Join(r.out, filepath.Base(binary)+kind), entry{name: name, from: binary, executable: true},
			entry{name: "LICENSE", from: filepath.Join(r.root, "LICENSE")},
			entry{name: notices, from: filepath.Join(r.out, notices)}); err != nil {
			return err
		}
	}
	return nil
}

func (r release) compile(ctx context.Context, program, system, arch, output string) error {
	p := gobuild.Program{Dir: r.root, Package: program, Env: []string{"GOOS=" + system, "GOARCH=" + arch}}
	return p.To(ctx, output)
}

// templates are two forms of the shipped template that need neither Go nor make. The packaged one stays a user's to
// edit: its code is a zip file next to it, which sam deploy or aws cloudformation package uploads. In the expanded one
// SAM CLI has unrolled the loops, for tools that do not know them.
func (r release) templates(ctx context.Context, work string) error {
	data, err := os.ReadFile(filepath.Join(r.root, shipped.Path))
	if err != nil {
		return err
	}
	text, err := packaged(string(data))
	if err != nil {
		return err
	}
	path := filepath.Join(work, "template.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	entries := []entry{
		{name: "template.yaml", from: path},
		{name: "LICENSE", from: filepath.Join(r.root, "LICENSE")},
		{name: notices, from: filepath.Join(r.out, notices)},
	}
	for _, name := range functions {
		zipped := filepath.Join(r.out, r.functionName(name, architectures[0])+".zip")
		entries = append(entries, entry{name: name + ".zip", from: zipped})
	}
	if err := pack(filepath.Join(r.out, fmt.Sprintf("cronbearer-template_%s.zip", r.version)), entries...); err != nil {
		return err
	}
	expand := exec.CommandContext( // #nosec G204: ours
		ctx, filepath.Join(r.tools, "python"), filepath.Join(r.root, "internal/dev/check/sam_expand.py"), "--open", path,
	)
	expand.Stderr = os.Stderr
	expanded, err := expand.Output()
	if err != nil {
		return fmt.Errorf("SAM CLI's expansion of the template: %w", err)
	}
	return r.write(fmt.Sprintf("cronbearer-expanded_%s.json", r.version), string(expanded)+"\n")
}

// packaged replaces how SAM CLI builds each function by the zip file that has been built.
func packaged(template string) (string, error) {
	for _, name := range functions {
		logical := strings.ToUpper(name[:1]) + name[1:]
		head := "\n  " + logical + ":\n    Type: AWS::Serverless::Function\n"
		before, rest, found := strings.Cut(template, head)
		built := "    Metadata:\n      BuildMethod: makefile\n"
		code := "      CodeUri: .\n"
		if !found || !strings.HasPrefix(rest, built) || !strings.Contains(rest, code) {
			return "", fmt.Errorf("template.yaml: %s is not built as it was", logical)
		}
		rest = strings.Replace(strings.TrimPrefix(rest, built), code, "      CodeUri: "+name+".zip\n", 1)
		template = before + head + rest
	}
	return template, nil
}

// cyclonedx lists what a program is made of; OWASP maintains it.
const cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// components writes the bill of materials of each program, from what its binary says of itself: the modules of one
// system are not those of another.
func (r release) components(ctx context.Context, work string) error {
	out, err := filepath.Abs(r.out)
	if err != nil {
		return err
	}
	binaries, err := filepath.Glob(filepath.Join(work, "*_*"))
	if err != nil {
		return err
	}
	for _, binary := range binaries {
		command := exec.CommandContext(ctx, "go", "run", cyclonedx, "bin", // #nosec G204: ours
			"-json", "-licenses", "-noserial", "-notimestamp", "-std", "-output-version", "1.6",
			"-version", "v"+r.version, "-output", filepath.Join(out, filepath.Base(binary)+".cdx.json"), binary)
		command.Dir = r.root
		if text, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("cyclonedx-gomod, %s: %w\n%s", filepath.Base(binary), err, text)
		}
	}
	return nil
}

// sums writes what sha256sum -c reads.
func (r release) sums() error {
	files, err := filepath.Glob(filepath.Join(r.out, "*"))
	if err != nil {
		return err
	}
	slices.Sort(files)
	var b strings.Builder
	for _, path := range files {
		data, err := os.ReadFile(path) // #nosec G304: what was built
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		fmt.Fprintf(&b, "%s  %s\n", hex.EncodeToString(sum[:]), filepath.Base(path))
	}
	return r.write(checksums, b.String())
}
