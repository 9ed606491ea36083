package models

import (
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how far a fetch is: bars on a terminal, else a line for each bundle that is done. What
// is written to it appears above the bars.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil: not a terminal
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if cwriter.New(out).IsTerminal() {
		p.bars = mpb.New(mpb.WithOutput(out))
	}
	return p
}

// Write writes lines to the terminal or log.
func (p *progress) Write(b []byte) (int, error) {
	if p.bars != nil {
		return p.bars.Write(b)
	}
	return p.out.Write(b)
}

// end waits until everything is shown. Every bar must have ended.
func (p *progress) end() {
	if p.bars != nil {
		p.bars.Wait()
	}
}

// bar is one bundle's progress.
type bar struct {
	out   io.Writer
	bar   *mpb.Bar // nil: not a terminal
	name  string
	base  int64 // bytes of the packages that are done
	total int64
	since time.Time
}

func (p *progress) begin(name string, total int64) *bar {
	b := &bar{out: p.out, name: name, total: total, since: time.Now()}
	if p.bars != nil {
		b.out = nil
		b.bar = p.bars.AddBar(total, mpb.BarWidth(24),
			mpb.PrependDecorators(decor.CountersKiloByte("%4.0f / %4.0f", decor.WC{W: 18})),
			mpb.AppendDecorators(decor.OnComplete(decor.AverageETA(decor.ET_STYLE_MMSS, decor.WC{W: 5}), " done"), decor.Name("  "+name)))
	}
	return b
}

// seen says how many bytes of the package under way are here.
func (b *bar) seen(n int64) {
	if b.bar != nil {
		b.bar.SetCurrent(min(b.base+n, b.total-1))
	}
}

// done says that a package of n bytes is here.
func (b *bar) done(n int64) {
	b.base += n
	b.seen(0)
}

func (b *bar) end(ok bool) {
	switch {
	case b.bar != nil && ok:
		b.bar.SetCurrent(b.total)
	case b.bar != nil:
		b.bar.Abort(false)
	case ok:
		fmt.Fprintf(b.out, "  %4d MB  %s (%.0f s)\n", mb(b.total), b.name, time.Since(b.since).Seconds())
	}
}
