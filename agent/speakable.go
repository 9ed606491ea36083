package agent

import (
	"errors"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// prose makes, of what a model writes, the text that can be spoken: without reasoning, control tokens, calls of tools, code,
// markup and emoji, and with the host alone of an address. It takes the text in pieces, wherever they are cut, and gives
// every word once it is whole, which is when a space follows; so it keeps no plain text back from the cutter.
type prose struct {
	in     string // a word that is not whole
	hide   string // what ends that which is not spoken now; empty: all is spoken
	json   object
	fence  bool  // in a fence of text
	role   bool  // a control token came: the name of a role may follow
	long   bool  // the rest of this word is left out
	within bool  // within a line
	item   bool  // the line is one of a list, or a heading
	over   error // why what still comes is not of the answer
	last   rune  // of the last word; 0: none came yet

	hidden int // bytes that were left out since
}

// Bounds. Of what is not spoken there may be more before the first word, while the caller's wait has a limit of its own.
const (
	wordMost    = 64       // letters of a word
	markMost    = 300      // bytes of the address of a link, and of the attributes of a tag
	thoughtMost = 64 << 10 // bytes that are not spoken before the first word
	hiddenMost  = 8 << 10  // and after another
)

var (
	errHidden = errors.New("the answer has too much that cannot be spoken")
	errOver   = errors.New("the model has ended its answer")
)

// add takes more text and returns what can be spoken now.
func (p *prose) add(text string) string {
	var out strings.Builder
	for p.in += text; ; {
		n := p.whole()
		if n == 0 {
			return out.String()
		}
		word := p.in[:n]
		p.in = p.in[n:]
		out.WriteString(p.word(word))
	}
}

// end is what is left at the end of the text.
func (p *prose) end() string {
	word := p.in
	p.in = ""
	return p.word(word)
}

// whole is the length of the first word with what ends it: a space, a stop of a script without spaces, or its length. 0: it
// is not whole yet.
func (p *prose) whole() int {
	n := 0
	for i, r := range p.in {
		if r == utf8.RuneError && !utf8.FullRuneInString(p.in[i:]) {
			return 0
		}
		if unicode.IsSpace(r) || wideStop(r) {
			return i + utf8.RuneLen(r)
		}
		if n++; n > wordMost {
			return unmarked(p.in[:i])
		}
	}
	return 0
}

// unmarked is where a long word is cut: before a mark that may have begun near its end.
func unmarked(s string) int {
	if i := strings.LastIndexAny(s, "<[`◁"); i > 0 && len(s)-i < wordMost/2 {
		if j := len(strings.TrimRight(s[:i], "`")); j > 0 {
			return j
		}
	}
	return len(s)
}

// word is what is spoken of a word and of what ended it.
func (p *prose) word(s string) string {
	if p.over != nil {
		return ""
	}
	p.count(len(s))
	r := lastRune(s)
	space := unicode.IsSpace(r)
	whole := space || wideStop(r)
	bare, end := s, ""
	if space {
		bare = s[:len(s)-utf8.RuneLen(r)]
		if end = s[len(bare):]; unicode.IsControl(r) {
			end = " "
		}
	}
	v := p.spoken(bare, whole)
	if v != "" {
		p.hidden, p.within = 0, true
		if !whole && !unspaced(lastRune(v)) {
			end = " "
		}
	}
	if r == '\n' {
		if p.item && v != "" && !unicode.IsPunct(lastRune(v)) {
			v += "."
		}
		p.within, p.item = false, false
	}
	if v == "" && bare != "" {
		return ""
	}
	return v + end
}

// spoken is what is spoken of a word, or of a part of one that is not whole.
func (p *prose) spoken(bare string, whole bool) string {
	v := p.visible(bare)
	if p.long {
		v, p.long = "", !whole
	}
	if v == "" {
		return ""
	}
	p.long = !whole && endless(v)
	if v = p.plain(clean(v)); v != bare && v != "&" && !speakable(v) {
		return "" // what is left of a mark
	}
	return v
}

// count counts what may not be spoken.
func (p *prose) count(n int) {
	p.hidden += n
	switch {
	case p.hidden > thoughtMost, p.hidden > hiddenMost && p.last != 0:
		p.over = errHidden
	case p.hidden > markMost && (p.hide == ")" || p.hide == ">"):
		p.hide = "" // it is never closed: it was none
	}
}

// endless tells the beginning of a word that is none: it has no places where one could breathe, or is an address.
func endless(s string) bool {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r < 0x80 && strings.ContainsRune(",.;:|-/_", r) || unspaced(r) })
	return len(parts) < 4 && !unspaced(lastRune(s)) || strings.Contains(s, "://") || strings.Contains(s, "www.")
}

func lastRune(s string) rune {
	r, _ := utf8.DecodeLastRuneInString(s)
	return r
}

// unspaced tells a letter of a script that puts no spaces between words.
func unspaced(r rune) bool {
	return r >= 0x0e00 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) || wideStop(r))
}

// wideStop tells a mark after which such a script could be cut.
func wideStop(r rune) bool { return r > 0x2fff && strings.ContainsRune("。！？，；：、", r) }

// visible is a word without what is hidden, and without the marks that hide it.
func (p *prose) visible(w string) string {
	var v strings.Builder
	for w != "" && p.over == nil {
		switch {
		case p.json.depth > 0:
			w = w[p.json.skip(w):]
			continue
		case p.hide != "":
			i := indexFold(w, p.hide)
			if i < 0 {
				return v.String()
			}
			w, p.hide = w[i+len(p.hide):], ""
			continue
		}
		i := strings.IndexAny(w, "<[]{`◁")
		if i < 0 {
			i = len(w)
		}
		if i > 0 {
			if !(p.role && roles[strings.ToLower(w[:i])] || strings.HasPrefix(w, "![")) {
				v.WriteString(w[:i])
				if speakable(w[:i]) {
					p.last = lastRune(w[:i])
				}
			}
			p.role = false
			w = w[i:]
			continue
		}
		n, show := p.mark(w, v.Len() == 0)
		v.WriteString(show)
		w = w[n:]
	}
	return v.String()
}

// mark deals with what a word goes on with: how much of it is a mark, and what is shown for it.
func (p *prose) mark(w string, first bool) (n int, show string) {
	for _, m := range hides {
		if hasFold(w, m.from) {
			p.hide = m.to
			return len(m.from), ""
		}
	}
	switch {
	case strings.HasPrefix(w, "```"):
		return 3 + p.code(w[3:]), " "
	case strings.HasPrefix(w, "]("):
		p.hide = ")"
		return 2, ""
	case w[0] == '{' && first, strings.HasPrefix(w, "[{") && first:
		return p.json.skip(w), ""
	case w[0] == '[':
		return p.bracket(w), ""
	case w[0] == '<':
		return p.tag(w)
	}
	_, n = utf8.DecodeRuneInString(w)
	return n, ""
}

// hides are what begins that which is not for the caller, and what ends it. No word holds a "\n": that is not spoken to the end.
var hides = []struct{ from, to string }{
	{"<thinking", "</thinking>"}, {"<think", "</think>"}, {"<thought", "</thought>"}, {"<reasoning", "</reasoning>"}, {"<reflection", "</reflection>"},
	{"<analysis", "</analysis>"}, {"<scratchpad", "</scratchpad>"}, {"[think]", "[/think]"}, {"◁think▷", "◁/think▷"},
	{"<|channel|>analysis", "<|channel|>final"}, {"<|channel|>commentary", "<|channel|>final"},
	{"<tool_call>", "</tool_call>"}, {"<tool_calls>", "</tool_calls>"}, {"<function_calls>", "</function_calls>"}, {"<function=", "</function>"},
	{"<tool_response>", "</tool_response>"}, {"[tool_calls]", "\n"}, {"<|python_tag|>", "\n"},
	{"<<sys>>", "<</sys>>"}, {"<!--", "-->"}, {"<script", "</script>"}, {"<style", "</style>"},
}

// code deals with a fence and gives how long the name of its language is. The fence of a text is only a frame.
func (p *prose) code(w string) int {
	if p.fence {
		p.fence = false
		return 0
	}
	n := strings.IndexFunc(w, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("+#-_", r)
	})
	if n < 0 {
		n = len(w)
	}
	switch strings.ToLower(w[:n]) {
	case "", "text", "txt", "plaintext", "plain", "markdown", "md":
		p.fence = true
	default:
		p.hide = "```"
	}
	return n
}

// bracket is how much of a word that begins with [ is no text: the token of a chat's format, or a note's number.
func (p *prose) bracket(w string) int {
	i := strings.IndexByte(w, ']')
	if i < 0 {
		return 1
	}
	switch in := w[1:i]; {
	case strings.EqualFold(in, "inst"):
		p.ends()
		return i + 1
	case strings.EqualFold(in, "/inst") || strings.EqualFold(in, "/think"), strings.Trim(in, "^0123456789") == "" && !strings.HasPrefix(w[i:], "]("):
		return i + 1
	}
	return 1
}

// tag is how much of a word that begins with < is a tag or a token, and what is shown for it.
func (p *prose) tag(w string) (n int, show string) {
	for _, bar := range []string{"|", "｜"} {
		if name, ok := strings.CutPrefix(w[1:], bar); ok {
			name, _, closed := strings.Cut(name, bar+">")
			p.token(strings.ToLower(name))
			if !closed {
				return len(w), ""
			}
			return 1 + 2*len(bar) + len(name) + 1, ""
		}
	}
	name := strings.TrimPrefix(w[1:], "/")
	i := strings.IndexFunc(name, func(r rune) bool {
		return r >= 0x80 || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-'
	})
	end := strings.IndexByte(w, '>')
	switch {
	case i < 0 && (attributed[strings.ToLower(name)] || blocks[strings.ToLower(name)]): // its attributes follow
		p.hide = ">"
		return len(w), ""
	case end < 0:
		return 1, "<"
	case i <= 0 || name[i] != '>' && !strings.HasPrefix(name[i:], "/>"): // an address
		return 1, ""
	case blocks[strings.ToLower(name[:i])]:
		return end + 1, " "
	}
	p.token(strings.ToLower(w[1:end]))
	return end + 1, ""
}

// token deals with a control token.
func (p *prose) token(name string) {
	p.role = strings.Contains(name, "start") || name == "channel"
	if ends[name] {
		p.ends()
	}
}

// ends: the model has ended its answer, if it has said anything; what follows it is another's.
func (p *prose) ends() {
	if p.last != 0 {
		p.over = errOver
	}
}

// What ends an answer, who could be named after it, and the tags of pages: those that part words, and others.
var (
	ends = set("im_end", "im_start", "eot_id", "eom_id", "start_header_id", "endoftext", "end_of_text", "end", "start", "return", "call", "eos", "user",
		"end▁of▁sentence", "/s", "end_of_turn", "start_of_turn", "end_of_utterance", "eot", "eod")
	roles      = set("assistant", "model", "system", "user", "final")
	blocks     = set("br", "hr", "p", "li", "ul", "ol", "div", "table", "tr", "td", "th", "h1", "h2", "h3", "h4", "pre", "img")
	attributed = set("a", "b", "i", "u", "em", "strong", "span", "font", "code", "button")
)

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// object is a place in the JSON of a call that a model wrote into its text.
type object struct {
	depth           int
	quoted, escaped bool
}

// skip is how much of s is of it.
func (o *object) skip(s string) int {
	for i := range len(s) {
		switch c := s[i]; {
		case o.escaped:
			o.escaped = false
		case o.quoted && c == '\\':
			o.escaped = true
		case c == '"':
			o.quoted = !o.quoted
		case o.quoted:
		case c == '{' || c == '[':
			o.depth++
		case c == '}' || c == ']':
			if o.depth--; o.depth <= 0 {
				*o = object{}
				return i + 1
			}
		}
	}
	return len(s)
}

// plain is a word without markup and emoji; empty if it was nothing else.
func (p *prose) plain(w string) string {
	if strings.IndexByte(w, '&') >= 0 {
		w = html.UnescapeString(w)
	}
	w = strings.TrimSpace(w)
	if w == "*" && unicode.IsDigit(p.last) {
		return "times"
	}
	if listed := p.listed(w); listed || !p.within && strings.HasPrefix(w, "|") {
		if p.item = true; listed {
			return ""
		}
	}
	w = host(w)
	rs, out := []rune(w), make([]rune, 0, len(w))
	at := func(i int) rune {
		if i < 0 || i >= len(rs) {
			return 0
		}
		return rs[i]
	}
	for i, r := range rs {
		switch {
		case r == '|' && len(out) > 0 && word(at(i+1)):
			out = append(out, ',', ' ')
		case markup(at(i-1), r, at(i+1)):
			continue
		default:
			out = append(out, r)
		}
	}
	if v := string(out); speakable(v) || !strings.ContainsAny(v, "()[]{}#^") {
		return v
	}
	return ""
}

// listed tells the mark of a list, a heading, a quotation or a rule.
func (p *prose) listed(w string) bool {
	switch w {
	case "-", "–", "+", "*", ">":
		return !p.within || p.last == ':' && w != ">"
	case "•", "◦", "▪", "●", "·":
		return true
	}
	return w != "" && (strings.Trim(w, "#") == "" || !p.within && strings.Trim(w, "-*_=") == "")
}

func word(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// markup tells a character that is not spoken, by its neighbors.
func markup(before, r, after rune) bool {
	switch r {
	case '*':
		return !unicode.IsDigit(before) || !unicode.IsDigit(after)
	case '_':
		return !word(before) || !word(after)
	case '~':
		return before == '~' || after == '~'
	case '>':
		return word(before) && after == 0
	case '|', '\\', '`':
		return true
	case zeroWidthJoiner:
		return pictured(before) || pictured(after)
	}
	return pictured(r)
}

// pictured tells emoji, arrows, what joins and colors them. Signs that are read, as ° and ™, lie before, the squared words of
// East Asia between.
func pictured(r rune) bool {
	switch {
	case r < 0x20e3, r >= 0x3000 && r < 0xfe00:
		return false
	case r == 0x20e3, r >= 0xfe00 && r <= 0xfe0f, r >= 0x1f3fb && r <= 0x1f3ff, r >= 0xe0000 && r <= 0xe01ef:
		return true
	}
	return r >= 0x2190 && (unicode.Is(unicode.So, r) || unicode.Is(unicode.Sm, r) && (r < 0x2200 || r >= 0x27f0 && r < 0x2980))
}

// host is a word in which an address is shortened to its host.
func host(w string) string {
	i := strings.Index(w, "://")
	from := i + 3
	if i < 0 {
		if i = strings.Index(w, "www."); i < 0 || i > 0 && word(rune(w[i-1])) {
			return strings.Replace(w, "mailto:", "", 1)
		}
		from = i
	}
	for i > 0 && w[i-1] < 0x80 && word(rune(w[i-1])) {
		i--
	}
	rest := strings.TrimRight(w[from:], `.,;:!?)]}>"'*_`)
	tail := strings.TrimLeft(w[from+len(rest):], "]}>")
	if j := strings.IndexAny(rest, `/?#"<>)*,;`); j >= 0 {
		rest = rest[:j]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	return w[:i] + strings.TrimPrefix(rest, "www.") + tail
}

// indexFold is where s begins in w, in letters of any case; −1: nowhere.
func indexFold(w, s string) int {
	for i := range len(w) - len(s) + 1 {
		if strings.EqualFold(w[i:i+len(s)], s) {
			return i
		}
	}
	return -1
}

func hasFold(w, prefix string) bool {
	return len(w) >= len(prefix) && strings.EqualFold(w[:len(prefix)], prefix)
}
