package doctor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"parley/internal/corpus"
	"parley/llm"
	"parley/media"
	"parley/media/resample"
	"parley/stt"
)

// measures try the opened engines, in this order.
var measures = []check{
	{"voice", voice},
	{"recognizer", recognizer},
	{"voice activity", detector},
	{"end of turn", finisher},
	{"language model", languageModel},
}

// What is slow and what is too slow. An answer is to begin about a second after the caller's last word; half
// of it is waited on purpose, the rest is shared by a final text, a first phrase written and one spoken.
const (
	slowPhrase  = 300 * time.Millisecond // until a phrase of five words has its sound
	slowFinal   = 400 * time.Millisecond // until a sentence has its text
	slowToken   = 800 * time.Millisecond // until the first token, its prompt known
	slowTurn    = 200 * time.Millisecond // until the end of a turn is judged
	slowVoice   = 0.5                    // of the time that its speech lasts
	slowHop     = 3 * time.Millisecond   // for 32 ms of a caller's audio: a tenth of a core
	slowTokens  = 6.0                    // a second
	speechSpeed = 3.5                    // tokens that speech says in a second, about
)

const (
	phrase = "Nice to talk to you." // five words
	spoken = "Please tell me about the weather in London on Monday morning."
)

// elsewhere is the mend of a computer that is too slow to think.
const elsewhere = "end other programs; take a smaller model (--llm local:model=FILE.gguf) or another computer (--llm openai:url=URL,model=NAME)"

// sentence is what the voice said.
type sentence struct {
	rate int
	pcm  []int16
}

// say speaks text and takes the time.
func (p *patient) say(ctx context.Context, text string) (s sentence, took time.Duration, err error) {
	began := time.Now()
	for a, err := range p.parts.Voice.Speak(ctx, media.Of(text)) {
		if err != nil {
			return sentence{}, 0, err
		}
		s.rate = a.Rate
		s.pcm = append(s.pcm, a.PCM...)
	}
	if len(s.pcm) == 0 {
		return sentence{}, 0, errors.New("it gave no sound")
	}
	return s, time.Since(began), nil
}

// voice speaks twice: the first synthesis is slower than all others.
func voice(ctx context.Context, p *patient) Finding {
	_, _, err := p.say(ctx, phrase)
	var short, long time.Duration
	if err == nil {
		_, short, err = p.say(ctx, phrase)
	}
	if err == nil {
		p.heard, long, err = p.say(ctx, spoken)
	}
	if err != nil {
		return fail("it does not speak: "+err.Error(), "--tts espeak and --tts tone are other voices; 'parley models verify' reads the files of this one")
	}
	lasts := media.Samples(len(p.heard.pcm), p.heard.rate)
	factor := max(long, time.Millisecond).Seconds() / lasts.Seconds()
	found := fmt.Sprintf("five words after %s; %.1f s of speech after %s, %.0f times as fast as it is heard", millis(short), lasts.Seconds(), millis(long), 1/factor)
	switch {
	case factor >= 1:
		return fail(found+": speech would have gaps", "end other programs, or take --tts espeak, which is robotic and fast")
	case factor > slowVoice || short > slowPhrase:
		return warn(found+": answers will begin late", "end other programs, or take --tts espeak, which is robotic and fast")
	}
	return fine(found)
}

// audio is what the voice said, as a recognizer hears it.
func (p *patient) audio() []int16 {
	r := resample.New(p.heard.rate, media.ListenRate)
	return r.Flush(r.Process(p.heard.pcm, nil))
}

// hear feeds pcm to the recognizer and gives the text and the time that it took from the last frame on.
func (p *patient) hear(ctx context.Context, pcm []int16) (text string, took time.Duration, err error) {
	var flushed time.Time
	in := func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			var at time.Duration
			for f := range frames(pcm) {
				if ctx.Err() != nil || !yield(stt.Audio{Frame: f, Voice: true}) {
					return
				}
				at = f.At + f.Duration()
			}
			flushed = time.Now()
			yield(stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate}, Flush: true})
		}
	}
	var final time.Time
	for r, err := range p.parts.Recognizer.Recognize(ctx, in) {
		if err != nil {
			return "", 0, err
		}
		if r.Kind == stt.Final {
			text, final = r.Text, time.Now()
		}
	}
	if final.IsZero() {
		return "", 0, errors.New("it gave no text")
	}
	return text, final.Sub(flushed), nil
}

// frames cuts pcm into frames of 20 ms.
func frames(pcm []int16) iter.Seq[media.Frame] {
	const size = media.ListenRate / 50
	return func(yield func(media.Frame) bool) {
		for at := 0; at < len(pcm); at += size {
			f := media.Frame{At: media.Samples(at, media.ListenRate), Rate: media.ListenRate, PCM: pcm[at:min(at+size, len(pcm))]}
			if !yield(f) {
				return
			}
		}
	}
}

// mistaken is the part of the words that may be misheard: the voice is not a person's.
const mistaken = 0.35

func recognizer(ctx context.Context, p *patient) Finding {
	if p.heard.pcm == nil {
		return Finding{} // the voice has failed
	}
	pcm := p.audio()
	text, took, err := p.hear(ctx, pcm)
	if err != nil {
		return fail("it does not hear: "+err.Error(), "'parley models verify' reads its files")
	}
	if p.needs.Names.STT == "script" {
		return fine("a stub: it does not hear")
	}
	lasts := media.Samples(len(pcm), media.ListenRate)
	found := fmt.Sprintf("text of %.1f s of speech after %s", lasts.Seconds(), millis(took))
	if p.needs.Names.TTS == "local" { // a stub hums, and espeak-ng mumbles
		wrong, words := corpus.WER(spoken, text)
		found += fmt.Sprintf(", %d of %d words right", max(0, words-wrong), words)
		if float64(wrong) > mistaken*float64(words) {
			return fail(fmt.Sprintf("%s: it heard “%s” for “%s”", found, text, spoken), "parley models verify, then parley models fetch")
		}
	}
	switch {
	case took > lasts:
		return fail(found+": it cannot keep up with speech", "end other programs, or take the small model: --stt local:small=true")
	case took > slowFinal:
		return warn(found+": answers will begin late", "end other programs, or take the small model: --stt local:small=true")
	}
	return fine(found)
}

func detector(_ context.Context, p *patient) Finding {
	if p.heard.pcm == nil {
		return Finding{}
	}
	stream := p.parts.Detector.Open()
	hops, began := 0, time.Now()
	for f := range frames(p.audio()) {
		scores, err := stream.Score(f)
		if err != nil {
			return fail("it does not work: "+err.Error(), "'parley models verify' reads its files; --vad energy needs none")
		}
		hops += len(scores)
	}
	each := time.Since(began) / time.Duration(max(1, hops))
	found := fmt.Sprintf("%d µs for 32 ms of audio", each.Microseconds())
	if each > slowHop {
		return warn(found+": more than a tenth of a core for each caller", "end other programs, or take --vad energy")
	}
	return fine(found)
}

func finisher(_ context.Context, p *patient) Finding {
	if p.heard.pcm == nil || p.parts.Finisher == nil {
		return Finding{}
	}
	began := time.Now()
	if _, err := p.parts.Finisher.Finished(p.audio()); err != nil {
		return fail("it does not work: "+err.Error(), "'parley models verify' reads its files; --vad neural:turns=false does without")
	}
	took := time.Since(began)
	found := "judged after " + millis(took)
	if took > slowTurn {
		return warn(found+": turns will be taken late", "end other programs, or do without: --vad neural:turns=false")
	}
	return fine(found)
}

// question is what the language model is asked.
func question() llm.Request {
	return llm.Request{
		System:    "You are a friendly voice assistant. Answer in one or two short sentences.",
		Messages:  []llm.Message{{Role: llm.User, Text: "What can I see in Paris?"}},
		MaxTokens: 40,
	}
}

// reachTime is how long a server on another computer may take to say that it is there.
const reachTime = 10 * time.Second

func languageModel(ctx context.Context, p *patient) Finding {
	if w, ok := p.parts.Model.(llm.Warmer); ok {
		own, cancel := context.WithTimeout(ctx, reachTime)
		defer cancel()
		if p.needs.Server != "" {
			own = ctx
		}
		if err := w.Warm(own, question()); err != nil {
			return fail("it does not answer: "+err.Error(), "check the options of --llm (parley serve --help) and the key in OPENAI_API_KEY")
		}
	}
	switch {
	case p.needs.Names.LLM == "openai":
		return fine("it is there; it was not asked for an answer, which may cost money")
	case p.needs.Server == "":
		return fine("a stub: it does not think")
	}
	return p.think(ctx)
}

// think has the model answer.
func (p *patient) think(ctx context.Context) Finding {
	began, tokens := time.Now(), 0
	var first, last time.Duration
	for d, err := range p.parts.Model.Generate(ctx, question()) {
		switch {
		case err != nil:
			return fail("it does not answer: "+err.Error(), elsewhere)
		case d.Text != "":
			if last = time.Since(began); first == 0 {
				first = last
			}
			tokens++
		case d.Usage != nil:
			tokens = max(tokens, d.Usage.Completion)
		}
	}
	if tokens < 2 || last <= first {
		return fail("it gave no answer worth the name", elsewhere)
	}
	speed := float64(tokens-1) / (last - first).Seconds()
	found := fmt.Sprintf("first token after %s, then %.0f a second", millis(first), speed)
	switch {
	case speed < speechSpeed:
		return fail(found+": slower than it is read aloud", elsewhere)
	case speed < slowTokens || first > slowToken:
		return warn(found+": answers will begin late", elsewhere)
	}
	return fine(found)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}
