package rotate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"parley/stt"
)

func TestJoin(t *testing.T) {
	tests := []struct {
		in   []string
		want string
	}{
		{[]string{"to be", " or not", " to be"}, "to be or not to be"},
		{[]string{"one", "two"}, "one two"},
		{[]string{"one", ", two", "."}, "one, two."},
		{[]string{"今日は", "いい天気"}, "今日はいい天気"},
		{[]string{"สวัสดี", "ครับ"}, "สวัสดีครับ"},
		{[]string{"¿qué", "¿cómo"}, "¿qué ¿cómo"},
		{[]string{"שלום", " עולם"}, "שלום עולם"},
		{[]string{"", " ", "e\u0301te\u0301", ""}, "e\u0301te\u0301"},
	}
	for _, tt := range tests {
		var b strings.Builder
		for _, s := range tt.in {
			join(&b, s)
		}
		if b.String() != tt.want {
			t.Errorf("%q becomes %q", tt.in, b.String())
		}
	}
}

func TestUtterance(t *testing.T) {
	at := func(n int) time.Duration { return time.Duration(n) * time.Second }
	word := func(s string, from, to int) stt.Word { return stt.Word{Text: s, Start: at(from), End: at(to)} }
	u := &utterance{start: at(1)}
	u.take(Reply{Settled: Part{Text: "a", End: at(2), Words: []stt.Word{word("a", 0, 2)}}})
	u.take(Reply{Open: Part{Text: "b c", End: at(5), Words: []stt.Word{word("b", 3, 4), word("c", 2, 9)}}})
	u.take(Reply{Mark: Began})
	if u.text() != "a b c" || u.last() != at(5) || u.length() != 1 {
		t.Errorf("%q to %v, %d words", u.text(), u.last(), u.length())
	}
	want := []stt.Word{word("a", 1, 2), word("b", 3, 4), word("c", 3, 6)}
	if got := u.words(at(6)); !slices.Equal(got, want) {
		t.Errorf("words %v, want %v", got, want)
	}
	kept := u.before(at(3))
	if kept.Text != "c" || kept.End != at(9) {
		t.Errorf("kept %+v", kept)
	}
	u.back(1, kept)
	if u.text() != "a c" || len(u.settled) != 2 {
		t.Errorf("after going back %q", u.text())
	}
	u.back(9, Part{})
	u.take(Reply{Open: Part{Text: "d"}})
	if u.words(at(9)) != nil {
		t.Error("words although the times of some are not known")
	}
	u.stand()
	if u.text() != "a c d" || u.open.Text != "" {
		t.Errorf("%q stands", u.text())
	}
}
