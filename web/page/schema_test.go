package page_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"parley/web"
)

var update = flag.Bool("update", false, "rewrite src/schema.ts from the Go types")

// messages are the types of web/schema.go with the word in their "type" field; sent are the page's.
var (
	messages = []message{
		{"hello", reflect.TypeFor[web.Hello]()}, {"state", reflect.TypeFor[web.State]()},
		{"user", reflect.TypeFor[web.User]()}, {"agent", reflect.TypeFor[web.Said]()},
		{"latency", reflect.TypeFor[web.Latency]()}, {"error", reflect.TypeFor[web.Trouble]()},
		{"ended", reflect.TypeFor[web.Ended]()}, {"recording", reflect.TypeFor[web.Recording]()},
		{"counters", reflect.TypeFor[web.Counters]()},
	}
	sent = message{"text\" | \"mute\" | \"key\" | \"record\" | \"playout\" | \"hangup", reflect.TypeFor[web.Command]()}
)

type message struct {
	word string
	typ  reflect.Type
}

// TestSchema compares the TypeScript types with the Go types. With -update it writes them.
func TestSchema(t *testing.T) {
	want, err := typescript()
	if err != nil {
		t.Fatal(err)
	}
	const name = "src/schema.ts"
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s differs from web/schema.go: run go test ./web/page -run TestSchema -update\nwant:\n%s", name, want)
	}
}

// TestSchemaIsWhole fails when web/schema.go has a message that the list above lacks.
func TestSchemaIsWhole(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../schema.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range append(messages, sent) {
		known[m.typ.Name()] = true
		for f := range m.typ.Fields() { // messages are made of structs at the most one deep
			known[f.Type.Name()] = true
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && !known[spec.Name.Name] {
			t.Errorf("%s of web/schema.go is not in the list of messages of this test", spec.Name.Name)
		}
		return true
	})
}

// TestSchemaRefuses checks that a Go type without a TypeScript twin stops the generator, however deep it lies.
func TestSchemaRefuses(t *testing.T) {
	type inner struct{ M map[string]int }
	for _, typ := range []reflect.Type{reflect.TypeFor[inner](), reflect.TypeFor[struct {
		Inner inner `json:"inner"`
	}]()} {
		var w writer
		if _, err := w.shape(typ, "x"); err == nil {
			t.Errorf("%s was accepted", typ)
		}
	}
}

// kinds are the TypeScript twins of Go types.
var kinds = map[reflect.Kind]string{
	reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "number", reflect.Int64: "number",
	reflect.Uint64: "number", reflect.Float64: "number",
}

// writer collects the interfaces of the messages and of the structs in them.
type writer struct{ strings.Builder }

// shape writes the interface of a struct, those of structs in it first, and returns the shape that is checked:
// every field but its "type", which is word.
func (w *writer) shape(typ reflect.Type, word string) (string, error) {
	var own strings.Builder
	var shape []string
	for f := range typ.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		kind := kinds[f.Type.Kind()]
		check := strconv.Quote(kind)
		if f.Type.Kind() == reflect.Struct {
			var err error
			if check, err = w.shape(f.Type, ""); err != nil {
				return "", err
			}
			kind = f.Type.Name()
		}
		switch {
		case name == "" || kind == "":
			return "", fmt.Errorf("write %s.%s as TypeScript: no json name, or type %s has no twin", typ.Name(), f.Name, f.Type)
		case name == "type" && word != "":
			fmt.Fprintf(&own, "  type: \"%s\";\n", word)
			continue
		case strings.Contains(options, "omitempty"):
			fmt.Fprintf(&own, "  %s?: %s;\n", name, kind)
		default:
			fmt.Fprintf(&own, "  %s: %s;\n", name, kind)
		}
		shape = append(shape, name+": "+check)
	}
	fmt.Fprintf(w, "export interface %s {\n%s}\n\n", typ.Name(), own.String())
	return "{ " + strings.Join(shape, ", ") + " }", nil
}

// typescript is the text of src/schema.ts.
func typescript() (string, error) {
	var w writer
	var shapes strings.Builder
	fmt.Fprintf(&w, "// Made from web/schema.go by a test: go test ./web/page -run TestSchema -update. Do not edit.\n\n")
	fmt.Fprintf(&w, "/** The data channel that carries the messages. */\nexport const label = %q;\n\n", web.Label)
	var names []string
	for _, m := range append(messages, sent) {
		shape, err := w.shape(m.typ, m.word)
		if err != nil {
			return "", err
		}
		if m != sent {
			names = append(names, m.typ.Name())
			fmt.Fprintf(&shapes, "  %s: %s,\n", m.word, shape)
		}
	}
	fmt.Fprintf(&w, "/** What the server sends. */\nexport type Message = %s;\n\n", strings.Join(names, " | "))
	fmt.Fprintf(&w, "/** The fields of each message beside its type, for checking what arrives. */\n")
	fmt.Fprintf(&w, "export const shapes = {\n%s} as const;\n", shapes.String())
	return w.String(), nil
}
