package rerun

import (
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
)

func TestQuestionAndAnswer(t *testing.T) {
	dir := t.TempDir()
	begun := time.Now()
	var r Result
	synctest.Test(t, func(t *testing.T) {
		s := asked(t)
		s.Dir = dir
		r = run(t, s)
	})
	t.Logf("took %v", time.Since(begun))
	if got := said(r, 1); got.Heard != "You said: What is the time?" || !got.Done {
		t.Errorf("the agent said %+v", got)
	}
	if r.Length < at(12) || r.Length > at(12.1) || len(r.Sent) == 0 || len(r.Frames) < 590 {
		t.Errorf("it lasted %v, %d packets were sent of %d frames", r.Length, len(r.Sent), len(r.Frames))
	}
	if r.Counts.Packets != 600 || r.Counts.Lost != 0 || r.Heard.Sent != len(r.Sent) || r.Heard.Received != len(r.Sent) {
		t.Errorf("counts %+v, heard %+v", r.Counts, r.Heard)
	}
	holds(t, r)
	// the packet that would have come after the end does not
	if r.Record.Up.Packets != 599 || r.Record.Down.Packets != len(r.Sent) || r.Record.Log.Lines != len(r.Events) || r.Record.Log.Scores == 0 {
		t.Errorf("recorded %+v", *r.Record)
	}
}

func TestCodecs(t *testing.T) {
	for _, c := range []media.Codec{media.Opus, media.G722, media.PCMU, media.PCMA} {
		t.Run(string(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := asked(t)
				s.Codec, s.Up = c, caller(t, c, at(6), span{at(1), at(2.5)})
				s.Length = at(6)
				r := run(t, s)
				holds(t, r)
				if got := said(r, 1); got.Heard != "You said: What is the time?" {
					t.Errorf("the agent said %+v", got)
				}
			})
		})
	}
}
