package page_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
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
		{"ended", reflect.TypeFor[web.Ended]()},
	}
	sent = message{"text\" | \"mute\" | \"hangup", reflect.TypeFor[web.Command]()}
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
	known := map[string]bool{sent.typ.Name(): true}
	for _, m := range messages {
		known[m.typ.Name()] = true
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && !known[spec.Name.Name] {
			t.Errorf("%s of web/schema.go is not in the list of messages of this test", spec.Name.Name)
		}
		return true
	})
}

// TestSchemaRefuses checks that a Go type without a TypeScript twin stops the generator.
func TestSchemaRefuses(t *testing.T) {
	if _, err := fields(reflect.TypeFor[struct{ M map[string]int }]()); err == nil {
		t.Error("a map field was accepted")
	}
}

// field is one field of a message as JSON has it.
type field struct {
	name, kind string
	optional   bool
}

// fields lists the JSON fields of a struct.
func fields(typ reflect.Type) ([]field, error) {
	var list []field
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		kind := map[reflect.Kind]string{
			reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "number",
			reflect.Int64: "number", reflect.Float64: "number",
		}[f.Type.Kind()]
		if name == "" || kind == "" {
			return nil, fmt.Errorf("write %s.%s as TypeScript: no json name, or type %s has no twin", typ.Name(), f.Name, f.Type)
		}
		list = append(list, field{name, kind, strings.Contains(options, "omitempty")})
	}
	return list, nil
}

// typescript is the text of src/schema.ts.
func typescript() (string, error) {
	var b, shapes strings.Builder
	fmt.Fprintf(&b, "// Made from web/schema.go by a test: go test ./web/page -run TestSchema -update. Do not edit.\n\n")
	fmt.Fprintf(&b, "/** The data channel that carries the messages. */\nexport const label = %q;\n\n", web.Label)
	var names []string
	for _, m := range append(messages, sent) {
		list, err := fields(m.typ)
		if err != nil {
			return "", err
		}
		name := m.typ.Name()
		fmt.Fprintf(&b, "export interface %s {\n", name)
		var shape []string
		for _, f := range list {
			switch {
			case f.name == "type":
				fmt.Fprintf(&b, "  type: \"%s\";\n", m.word)
			case f.optional:
				fmt.Fprintf(&b, "  %s?: %s;\n", f.name, f.kind)
			default:
				fmt.Fprintf(&b, "  %s: %s;\n", f.name, f.kind)
			}
			if f.name != "type" {
				shape = append(shape, fmt.Sprintf("%s: %q", f.name, f.kind))
			}
		}
		b.WriteString("}\n\n")
		if m != sent {
			names = append(names, name)
			fmt.Fprintf(&shapes, "  %s: { %s },\n", m.word, strings.Join(shape, ", "))
		}
	}
	fmt.Fprintf(&b, "/** What the server sends. */\nexport type Message = %s;\n\n", strings.Join(names, " | "))
	fmt.Fprintf(&b, "/** The fields of each message beside its type, for checking what arrives. */\n")
	fmt.Fprintf(&b, "export const shapes = {\n%s} as const;\n", shapes.String())
	return b.String(), nil
}
