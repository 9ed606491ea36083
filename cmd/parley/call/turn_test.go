package call

import "testing"

// What a call wants of turn-taking goes to the server in the query of its address.
func TestWishing(t *testing.T) {
	for _, c := range []struct {
		cmd  Cmd
		want string // empty: refused
	}{
		{Cmd{URL: "localhost:8321"}, "localhost:8321"},
		{Cmd{URL: "http://h/x?y=%20", Patience: 1.5}, "http://h/x?patience=1.5&y=+"},
		{Cmd{URL: "http://h:1", Turn: `{"end": {"short": "1s"}}`}, "http://h:1?turn=%7B%22end%22%3A+%7B%22short%22%3A+%221s%22%7D%7D"},
		{Cmd{URL: "http://h:1", Turn: `{"end": `}, ""},
		{Cmd{URL: "http://h:1?%zz", Patience: 2}, ""},
	} {
		got, err := c.cmd.wishing()
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: %q, %v", c.cmd, got, err)
		}
	}
}
