package console

// The answers. All times are in seconds: of the session clock if they are places in a conversation.
// page/src/recordings.ts is made from these types by a test of package page.

// List is what is there, the newest first.
type List struct {
	Recordings []Recording `json:"recordings"`
	Total      int         `json:"total"`   // that the filter lets through, as far as is known
	Pending    int         `json:"pending"` // not looked into yet: ask again
}

// Recording is a line of the list.
type Recording struct {
	ID     string  `json:"id"`
	Start  string  `json:"start"` // RFC 3339
	Length float64 `json:"length"`
	State  string  `json:"state"` // "live", "closed", "killed" or "recovered"; "" when it cannot be opened
	Codec  string  `json:"codec"`
	Bytes  int64   `json:"bytes"`
	Wrong  string  `json:"wrong"` // why it, or a part of it, cannot be read
	Known  bool    `json:"known"` // it was looked into, and what follows counts
	Facts  Facts   `json:"facts"`
}

// Facts are what a list tells of a conversation.
type Facts struct {
	Turns         int     `json:"turns"`
	Interruptions int     `json:"interruptions"` // answers that were cut off while they were heard
	Holds         int     `json:"holds"`         // pauses of the agent
	Troubles      int     `json:"troubles"`
	Latency       float64 `json:"latency"` // the median answer's, to its first frame on the line; 0: there was none
	Excerpt       string  `json:"excerpt"`
}

// Call is a conversation.
type Call struct {
	Recording Recording  `json:"recording"`
	Path      string     `json:"path"`  // of the bundle, for commands
	Build     string     `json:"build"` // that recorded it
	Config    string     `json:"config"`
	Turns     []Turn     `json:"turns"`
	Decisions []Decision `json:"decisions"`
	Holes     []Hole     `json:"holes"` // of the log
	Ended     string     `json:"ended"` // why; "": the log does not tell
}

// Span is a stretch of time.
type Span struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Word is one that was said.
type Word struct {
	Text    string  `json:"text"`
	From    float64 `json:"from"`
	To      float64 `json:"to"`
	Guessed bool    `json:"guessed"` // its time is
}

// Turn is what the caller said, if anything, and the answer.
type Turn struct {
	N         int       `json:"n"`
	Voice     []Span    `json:"voice"`
	User      string    `json:"user"`
	UserWords []Word    `json:"userWords"`
	Committed float64   `json:"committed"`
	Reason    string    `json:"reason"`
	Answer    Answer    `json:"answer"`
	Words     []Word    `json:"words"`
	Spoken    Span      `json:"spoken"` // From equals To: no sound
	Holds     []Hold    `json:"holds"`
	Asides    []Span    `json:"asides"` // of the caller, that were taken for no turn
	Timed     bool      `json:"timed"`  // Latency counts
	Latency   Latency   `json:"latency"`
	Troubles  []Trouble `json:"troubles"`
}

// Answer is what the agent made of a turn.
type Answer struct {
	Generated   string `json:"generated"`
	Heard       string `json:"heard"`
	Interrupted bool   `json:"interrupted"`
}

// Hold is a pause of the agent because something was heard.
type Hold struct {
	From    float64 `json:"from"`
	To      float64 `json:"to"`
	Why     string  `json:"why"`
	Outcome string  `json:"outcome"`
	Because string  `json:"because"`
}

// Latency is that of an answer: each counted from the last voice before it.
type Latency struct {
	Commit float64 `json:"commit"`
	Text   float64 `json:"text"`
	Token  float64 `json:"token"`
	Phrase float64 `json:"phrase"`
	Audio  float64 `json:"audio"`
	Sent   float64 `json:"sent"`
}

// Trouble is what went wrong.
type Trouble struct {
	At   float64 `json:"at"`
	Code string  `json:"code"`
	Text string  `json:"text"`
}

// Hole is a stretch of which the log is not kept.
type Hole struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Why  string  `json:"why"`
	Lost bool    `json:"lost"` // else the record was paused
}

// Decision is what was decided, and the input that made it.
type Decision struct {
	Seq    uint64  `json:"seq"` // of the input in the log
	At     float64 `json:"at"`
	Turn   int     `json:"turn"`
	Kind   string  `json:"kind"`
	Text   string  `json:"text"`
	Back   float64 `json:"back"` // of a resume: how much is repeated
	Reason string  `json:"reason"`
	Input  Input   `json:"input"`
}

// Input is what the turn machine was told.
type Input struct {
	Kind  string  `json:"kind"`
	From  float64 `json:"from"` // of a text
	To    float64 `json:"to"`   // of a score or text: where it ends on the caller's timeline
	Voice float64 `json:"voice"`
	P     float64 `json:"p"`
	Text  string  `json:"text"`
	On    bool    `json:"on"`
}

// Verdict is what came of running a conversation again.
type Verdict struct {
	Ran    bool    `json:"ran"`
	Equal  bool    `json:"equal"`  // all that was run is as it was
	Events int     `json:"events"` // that were compared
	Took   float64 `json:"took"`
	Faster float64 `json:"faster"` // than the conversation was
	Text   string  `json:"text"`   // the first difference with what led to it, where the log ends early, or why it could not be run
}

// Failure is the answer when there is no other.
type Failure struct {
	Error string `json:"error"`
}
