package replay

import (
	"bytes"
	"encoding/json"
	"time"
)

// recognized is what a line of the tape says that the recognizer heard, if it says the words' times. Package cassette writes these
// lines and tells of their form.
func recognized(line []byte) (r result, ok bool) {
	if !bytes.Contains(line, []byte(`"words"`)) {
		return r, false
	}
	var l struct {
		Engine string
		Result struct {
			Text       string
			Start, End time.Duration
			Words      []struct {
				Text       string
				Start, End time.Duration
			}
		}
	}
	if err := json.Unmarshal(line, &l); err != nil || l.Engine != "stt" { // package cassette complains of a line that is none
		return r, false
	}
	r = result{Span{l.Result.Start, l.Result.End}, l.Result.Text, nil}
	for _, w := range l.Result.Words {
		r.words = append(r.words, Word{Text: w.Text, Span: Span{w.Start, w.End}})
	}
	return r, len(r.words) > 0
}
