package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"parley/internal/corpus"
	"parley/internal/models"
)

// wireLocal is one language model's run.
type wireLocal struct {
	LLM        string    `json:"llm"`
	Response   wireTimes `json:"response"`
	Cut        share     `json:"cut"`      // of the turns with a pause: taken in it
	CutWhole   share     `json:"cutWhole"` // of the turns without
	Unanswered share     `json:"unanswered"`
}

// local asks the engines of this computer, one language model after the other, as bench talk does.
func (b *wireBench) local(ctx context.Context) error {
	b.report.Machine, b.report.Events, b.report.Calls = machine(), b.Questions, 1
	all, err := speech(plainShort, pauseLong)
	if err != nil {
		return err
	}
	for _, size := range b.LLM {
		name := "local:model=" + filepath.Join(models.Dir(), models.LargeFile)
		if size == "small" {
			name = "local:model=" + filepath.Join(models.Dir(), models.SmallFile)
		}
		t := talk{TalkCmd: TalkCmd{Turns: b.Questions - b.Questions/2, Pauses: b.Questions / 2, STT: "local", LLM: name, TTS: "local", VAD: "neural", Flags: b.Serve}}
		plan := mix(lasting(all, plainShort, plainLong), lasting(all, pauseShort, pauseLong), t.Turns, t.Pauses, 0)
		began := time.Now()
		err := t.bench(ctx, b.out, plan)
		if err != nil && !errors.Is(err, ErrUnanswered) {
			return err
		}
		b.report.Took += time.Since(began).Seconds()
		b.report.Local = append(b.report.Local, localOf(size, t.results))
	}
	return nil
}

// lasting are the utterances of a length.
func lasting(all []corpus.Utterance, least, most time.Duration) (some []corpus.Utterance) {
	for _, u := range all {
		if d := u.Duration(); d >= least && d <= most {
			some = append(some, u)
		}
	}
	return some
}

func localOf(llm string, all []result) wireLocal {
	w := wireLocal{LLM: llm, Response: wireTimesOf(pick(all, response))}
	for _, r := range all {
		w.Unanswered.add(r.unanswered != nil)
		if r.pause > 0 {
			w.Cut.add(r.early)
		} else {
			w.CutWhole.add(r.early)
		}
	}
	return w
}

func (r wireReport) printLocal(row printer) {
	for _, l := range r.Local {
		row("response, "+l.LLM+" language model", "%s;  cut off in a pause: %v, without one: %v;  unanswered: %v", l.Response, l.Cut, l.CutWhole, l.Unanswered)
	}
	row("all", "%.0f s", r.Took)
}

func (r wireReport) verdictLocal() (err error) {
	for _, l := range r.Local {
		if l.Unanswered.K > 0 {
			err = errors.Join(err, fmt.Errorf("%s language model: %d %w", l.LLM, l.Unanswered.K, ErrUnanswered))
		}
	}
	return err
}
