package ending

import "strings"

// verbs are the frequent ones: how far the last of them is behind tells whether a sentence has what it needs.
var verbs = set(`is are was were am be been i'm it's that's what's there's you're we're they're he's she's have has had i've do does did can could will
would should may might must i'd i'll don't didn't doesn't can't won't think know like love want need get got go going went see saw seen said say tell told
give gave take took make made come came look find found call called put let try tried use used work help play played please enter press send book buy pay`)

// common words tell English from other languages.
var common = set(`the be to of and a in that have i it for not on with he as you do at this but his by from they we say her she or an will my one all would
there their what so up out if about who get which go me when make can like time no just him know take people into year your good some could them see other than
then now look only come its over think also back after use two how our work first well way even new want because any these give day most us is are was were has had
did does been am i'm it's that's what's who's where's there's how's don't i'll i'd i've you're can't let's please yes yeah okay thank thanks hello hi hey need help call number name tell where why much many more
very really too here right am may should been being today tomorrow next last long off down again still something anything nothing someone everything press enter`)

func set(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// english tells whether a quarter of the words are.
func english(words []string) bool {
	n := 0
	for _, w := range words {
		if common[w] {
			n++
		}
	}
	return len(words) > 0 && 4*n >= len(words)
}
