package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"parley/internal/provider"
)

// patience is how long one child process may take over a chunk of text. It needs ten milliseconds.
const patience = 5 * time.Second

var errSlow = fmt.Errorf("espeak-ng gave no answer within %v", patience)

// speller is one espeak-ng process that turns one chunk of text into phonemes. It is started before the
// text is known: most of its time goes into loading its dictionary. It dies with the ctx it was started
// under.
type speller struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    bytes.Buffer
	cancel context.CancelCauseFunc
	ctx    func() error // why the process was stopped, nil if it was not
}

func startSpeller(ctx context.Context, program, language string) (*speller, error) {
	own, cancel := context.WithCancelCause(ctx)
	s := &speller{cancel: cancel, ctx: func() error { return context.Cause(own) }}
	s.cmd = exec.CommandContext(own, program, "-q", "--ipa", "-b", "1", "-v", language)
	s.cmd.Stdout = &s.out
	s.cmd.WaitDelay = 100 * time.Millisecond
	in, err := s.cmd.StdinPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		cancel(nil)
		return nil, fmt.Errorf("start espeak-ng: %w: %w (is the package espeak-ng installed?)", provider.ErrUnavailable, err)
	}
	s.in = in
	return s, nil
}

// close ends a process that was not needed.
func (s *speller) close() {
	s.cancel(context.Canceled)
	_ = s.cmd.Wait() // it was killed
}

// spell gives the phonemes of each clause in the International Phonetic Alphabet, words separated by
// spaces. It uses the process up.
func (s *speller) spell(chunk []clause) ([]string, error) {
	defer s.close()
	slow := time.AfterFunc(patience, func() { s.cancel(errSlow) })
	defer slow.Stop()
	var text strings.Builder
	for _, c := range chunk {
		text.WriteString(c.text)
		text.WriteString("\n\n") // an empty line comes out as an empty line
	}
	_, err := io.WriteString(s.in, text.String())
	if err = errors.Join(err, s.in.Close(), s.cmd.Wait()); err != nil {
		if cause := s.ctx(); cause != nil {
			return nil, cause
		}
		return nil, fmt.Errorf("ask espeak-ng for phonemes: %w: %w", provider.ErrUnavailable, err)
	}
	return perClause(s.out.String(), len(chunk)), nil
}

// foreign marks a change of language inside the phonemes.
var foreign = regexp.MustCompile(`\([a-z-]{2,12}\)`)

// perClause splits espeak's output into n clauses. Should it have seen other clauses than were asked
// for, everything is the last one's.
func perClause(out string, n int) []string {
	groups := strings.Split(strings.TrimSuffix(out, "\n"), "\n\n")
	for len(groups) > n && strings.TrimSpace(groups[len(groups)-1]) == "" {
		groups = groups[:len(groups)-1]
	}
	if len(groups) != n {
		groups = append(make([]string, n-1), strings.Join(groups, " "))
	}
	for i, g := range groups {
		groups[i] = strings.Join(strings.Fields(foreign.ReplaceAllString(g, "")), " ")
	}
	return groups
}
