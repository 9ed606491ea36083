package turn

import "strings"

// What asks for time, said in full: an order to wait, for so long perhaps.
var (
	orders = []string{"wait", "hold on", "hang on", "give me", "i need", "let me think", "bear with me"}
	spans  = []string{"a second", "one second", "a sec", "one sec", "a moment", "one moment", "a minute", "one minute", "two minutes", "2 minutes",
		"five minutes", "5 minutes", "a few minutes"}
	waits = asking(set("wait", "wait wait", "wait wait wait", "hold on", "hold on hold on", "hang on", "pause", "bear with me", "let me think",
		"let me see", "let me check", "let me look", "a second", "one second", "a sec", "one sec", "a moment", "one moment", "just a minute", "just one minute"))
	// Words around it that do not count.
	courtesies = set("please", "okay", "ok", "oh", "no", "yes", "yeah", "sorry", "um", "uh", "ah", "well", "just", "thanks", "so", "hey", "now")
)

// asking adds every order with every span.
func asking(waits map[string]bool) map[string]bool {
	for _, o := range orders {
		for _, s := range spans {
			waits[o+" "+s], waits[o+" for "+s], waits[o+" just "+s] = true, true, true
		}
	}
	return waits
}

// asksForTime tells a plain text that is an order to wait and nothing else.
func asksForTime(p string) bool {
	words := strings.Fields(p)
	for {
		switch n := len(words); {
		case waits[strings.Join(words, " ")]:
			return true
		case n > 0 && courtesies[words[0]]:
			words = words[1:]
		case n > 0 && courtesies[words[n-1]]:
			words = words[:n-1]
		default:
			return false
		}
	}
}

// What is said to an agent that takes long to answer: no reason to begin anew.
var (
	nudges = set("hello", "hello hello", "are you there", "you there", "still there", "are you still there", "hello are you there",
		"hello are you still there", "can you hear me", "hello can you hear me", "anybody there", "is anybody there", "is anyone there")
	nudged = beginnings(nudges)
)

// nudge tells words that only ask for the answer that is on its way, or that may become such.
func (m *Machine) nudge(p string) bool {
	return m.agent.doing == answering && (nudges[p] || nudged[p] && (m.ear.voice || !m.settled()))
}
