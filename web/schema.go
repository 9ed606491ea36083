// Package web lets callers in: signaling over HTTP ([Server]), the messages on a call's data channel, and
// what the page is told of a conversation ([Message]). The page itself is in web/page.
//
// A caller posts an offer, as JSON or as WHIP has it (RFC 9725), and gets an answer; what it says in the call goes
// over the call. The session's id, which only the answer tells, is the right to ask after the session, to send it
// candidates as they are found, to renegotiate it or restart ICE when the caller's network changes, and to end it:
// each of these but the last is a sign of the caller's life. Pages of other origins may do so if they are trusted.
// On this machine others may be allowed to listen.
//
// The server owns its sessions: each runs in a goroutine that Drain waits for, none outlives its call, and those
// who listen leave with it. What costs a processor much, the making of answers, is kept to half of them, so that
// callers who come do not delay the packets of those who talk.
package web

// The messages on the data channel. Each is one JSON object whose "type" says which it is; a reader
// ignores types it does not know. page/src/schema.ts is made from these types by a test (go test
// -update) and may not differ from them.

// Label is the name of the data channel that carries the messages. The caller opens it.
const Label = "parley"

// Hello is the first message of a conversation.
type Hello struct {
	Type    string `json:"type"` // "hello"
	Session string `json:"session"`
	Build   string `json:"build"`
	STT     string `json:"stt"`
	LLM     string `json:"llm"`
	TTS     string `json:"tts"`
	// Recorded says that this conversation is kept.
	Recorded bool `json:"recorded"`
}

// State says what the agent does: "listening", "thinking" or "speaking".
type State struct {
	Type  string `json:"type"` // "state"
	State string `json:"state"`
	AtMS  int64  `json:"atMs"` // on the session clock
}

// User is what the caller was heard to say in a turn. A later message of the same turn replaces it.
type User struct {
	Type  string `json:"type"` // "user"
	Turn  int    `json:"turn"`
	Text  string `json:"text"`
	Final bool   `json:"final"`
	AtMS  int64  `json:"atMs"` // on the session clock
}

// Said is the agent's part of a turn in its three texts, each a beginning of the next but for what cannot be spoken. A later message of the same turn replaces it.
type Said struct {
	Type        string `json:"type"` // "agent"
	Turn        int    `json:"turn"`
	Heard       string `json:"heard"`     // words that have been sent as sound
	Sent        string `json:"sent"`      // words that have been given to the voice
	Generated   string `json:"generated"` // all that was written so far
	Done        bool   `json:"done"`
	Interrupted bool   `json:"interrupted"`
	AtMS        int64  `json:"atMs"` // on the session clock
}

// Latency is how long the agent's answer of a turn took, from the caller's last speech to the answer's
// first sound, and where the time went. All in milliseconds.
type Latency struct {
	Type       string  `json:"type"` // "latency"
	Turn       int     `json:"turn"`
	TotalMS    float64 `json:"totalMs"`
	EndpointMS float64 `json:"endpointMs"` // silence until the turn was taken as finished
	TextMS     float64 `json:"textMs"`     // final text, counted from the last speech
	TokenMS    float64 `json:"tokenMs"`    // first token, likewise
	PhraseMS   float64 `json:"phraseMs"`   // first speakable phrase, likewise
	AudioMS    float64 `json:"audioMs"`    // first audio of the voice, likewise
}

// Trouble is something that went wrong, in words for the person at the page. Fatal: the call ends.
type Trouble struct {
	Type  string `json:"type"` // "error"
	Code  string `json:"code"` // for programs: "stt", "llm", "tts", "input", "busy", …
	Text  string `json:"text"`
	Fatal bool   `json:"fatal"`
}

// Ended is the last message: the conversation is over.
type Ended struct {
	Type   string `json:"type"` // "ended"
	Reason string `json:"reason"`
}

// Recording says that the record of the conversation, if there is one (see Hello), is paused or goes on again.
type Recording struct {
	Type string `json:"type"` // "recording"
	On   bool   `json:"on"`
	By   string `json:"by"` // whose pause it is or was: "caller" or "operator"
}

// Command is a message from the caller: "text" (Text was typed), "mute" (On), "key" (Key was pressed: one of 0-9*#A-D),
// "record" (On: the record may go on; else the caller wants it paused), "hangup", "playout" (the loudspeaker plays what arrived
// DelayMS ago: 0 to 2000).
type Command struct {
	Type    string  `json:"type"`
	Text    string  `json:"text,omitempty"`
	On      bool    `json:"on,omitempty"`
	Key     string  `json:"key,omitempty"`
	DelayMS float64 `json:"delayMs,omitempty"`
}

// Counters are the figures of a call's media so far. The page is told them every two seconds; GET /sessions/{id} and
// the closing line of the log have them too.
type Counters struct {
	Type    string       `json:"type"` // "counters"
	AtMS    int64        `json:"atMs"` // on the session clock
	Codec   string       `json:"codec"`
	RTTMS   float64      `json:"rttMs"`   // round trip; 0: not known yet
	Dropped uint64       `json:"dropped"` // by us: floods, queues that were full
	Up      UpCounters   `json:"up"`      // from the caller
	Down    DownCounters `json:"down"`    // to the caller
}

// UpCounters count packets unless they end in Ms.
type UpCounters struct {
	Received    uint64  `json:"received"`
	Lost        uint64  `json:"lost"`
	Late        uint64  `json:"late"` // came after their place had been concealed
	Duplicated  uint64  `json:"duplicated"`
	Recovered   uint64  `json:"recovered"`   // by the redundancy of the next packet (FEC)
	ConcealedMS int64   `json:"concealedMs"` // sound made up, or silence in place of lost sound
	PausedMS    int64   `json:"pausedMs"`    // silence that the caller announced (DTX)
	DepthMS     float64 `json:"depthMs"`     // what a missing packet is waited for
	Loss        float64 `json:"loss"`        // share lost, of the whole call
}

// DownCounters count packets.
type DownCounters struct {
	Sent uint64  `json:"sent"`
	Loss float64 `json:"loss"` // share lost, as the caller last reported
}
