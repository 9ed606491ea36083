package calibrate

import (
	"fmt"
	"time"

	"parley/agent/replay/edge"
	"parley/media"
	"parley/media/record"
)

// search is how far from its place a chirp is looked for: samples.
const search = rate / 5

// call is what was measured of one call.
type call struct {
	Length   float64   `json:"lengthS"`
	Down     direction `json:"down"`
	Up       direction `json:"up"`
	Repeated int       `json:"repeated,omitempty"` // times it was made in vain before: the computer was too busy
}

// direction is what was measured of one direction of a call. Errors are in milliseconds; positive is later in the track than
// it was sent.
type direction struct {
	Chirps []float64 `json:"chirpErrorsMs"`
	Lost   int       `json:"chirpsNotFound"`
	Edges  []float64 `json:"edgeErrorsMs"`
	Missed int       `json:"utterancesNotFound"`
	Ghosts int       `json:"spansOfNobody"`
	Drift  float64   `json:"driftPpm"`
	Track  float64   `json:"trackS"`

	chirps, edges []time.Duration
}

// direction reads a track of a record and compares it with what the side that sent it knows.
func (l lab) direction(b *record.Bundle, k record.Kind, s *side) (d direction, err error) {
	pcm, _, err := track(b, k)
	if err != nil {
		return d, err
	}
	d.Track = media.Samples(len(pcm), rate).Seconds()
	place := s.places()
	d.chirp(pcm, s.script, func(i, n int) time.Duration { return place(i, n) + l.delay })
	d.edge(edge.Detect(pcm, rate), s.script, func(i, n int) time.Duration { return place(i, n) + l.delay })
	return d, nil
}

// track is a direction's samples and how long each class of them lasts.
func track(b *record.Bundle, k record.Kind) (pcm []int16, classes record.Classes, err error) {
	for p, err := range b.Track(k, rate) {
		if err != nil {
			return nil, classes, fmt.Errorf("read the recording: %w", err)
		}
		classes[p.Class] += media.Samples(len(p.PCM), rate)
		pcm = append(pcm, p.PCM...)
	}
	return pcm, classes, nil
}

func (d *direction) chirp(pcm []int16, script []item, place func(item, sample int) time.Duration) {
	sweep := chirp()
	var at []float64
	for i, it := range script {
		if !it.chirp {
			continue
		}
		want := place(i, it.from)
		near := want.Seconds() * rate
		found, ok := find(sweep, pcm, near-search, near+search)
		if !ok {
			d.Lost++
			continue
		}
		off := seconds(found/rate) - want
		at = append(at, want.Seconds())
		d.chirps = append(d.chirps, off)
		d.Chirps = append(d.Chirps, millis(off))
	}
	d.Drift = drift(at, d.chirps)
}

func (d *direction) edge(spans []edge.Span, script []item, place func(item, sample int) time.Duration) {
	claimed := make([]bool, len(spans))
	for i, it := range script {
		from, to := place(i, it.from), place(i, it.to-1)
		first, last := -1, -1
		for n, s := range spans {
			if s.From < to && s.To > from {
				claimed[n] = true
				if last = n; first < 0 {
					first = n
				}
			}
		}
		switch {
		case it.chirp:
		case first < 0:
			d.Missed++
		default:
			for _, off := range []time.Duration{spans[first].From - from, spans[last].To - to} {
				d.edges = append(d.edges, off)
				d.Edges = append(d.Edges, millis(off))
			}
		}
	}
	for _, c := range claimed {
		if !c {
			d.Ghosts++
		}
	}
}

// loss is what was measured of the call with a loss.
type loss struct {
	Sent      float64 `json:"sentS"`
	NotSent   float64 `json:"notSentS"`
	Kept      float64 `json:"keptS"`      // from the first packet's sound to the end of the last one's
	Concealed float64 `json:"concealedS"` // of it
	ApartSent float64 `json:"chirpsApartSentS"`
	Apart     float64 `json:"chirpsApartS"`
	Lost      bool    `json:"chirpNotFound"`
	Repeated  int     `json:"repeated,omitempty"`
}
