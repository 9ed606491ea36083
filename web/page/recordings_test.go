package page_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"parley/web/console"
)

// answers are the types of web/console/schema.go that the server answers with.
var answers = []reflect.Type{
	reflect.TypeFor[console.List](), reflect.TypeFor[console.Call](), reflect.TypeFor[console.Verdict](), reflect.TypeFor[console.Failure](),
}

// TestRecordings compares the TypeScript types of the console with the Go types. With -update it writes them.
func TestRecordings(t *testing.T) {
	w := interfaces{done: map[reflect.Type]bool{}}
	w.WriteString("// Made from web/console/schema.go by a test: go test ./web/page -run TestRecordings -update. Do not edit.\n")
	for _, typ := range answers {
		if err := w.write(typ); err != nil {
			t.Fatal(err)
		}
	}
	const name = "src/recordings.ts"
	if *update {
		if err := os.WriteFile(name, []byte(w.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != w.String() {
		t.Errorf("%s differs from web/console/schema.go: run go test ./web/page -run TestRecordings -update\nwant:\n%s", name, w.String())
	}
}

// TestRecordingsRefuse checks that a field which may be absent, null or anything stops the generator.
func TestRecordingsRefuse(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[struct {
			A string `json:"a,omitempty"`
		}](),
		reflect.TypeFor[struct {
			A *int `json:"a"`
		}](),
		reflect.TypeFor[struct {
			A []map[string]int `json:"a"`
		}](),
		reflect.TypeFor[struct{ A int }](),
	} {
		if err := (&interfaces{done: map[reflect.Type]bool{}}).write(typ); err == nil {
			t.Errorf("%v was accepted", typ)
		}
	}
}

// interfaces collects the interfaces of structs and of those in them.
type interfaces struct {
	strings.Builder
	done map[reflect.Type]bool
}

// write writes the interface of a struct after those of the structs in it.
func (w *interfaces) write(typ reflect.Type) error {
	if w.done[typ] {
		return nil
	}
	w.done[typ] = true
	var own strings.Builder
	for f := range typ.Fields() {
		name := f.Tag.Get("json")
		twin, err := w.twin(f.Type)
		if err != nil || name == "" || strings.Contains(name, ",") {
			return fmt.Errorf("write %s.%s as TypeScript: tag %q, %w", typ.Name(), f.Name, name, err)
		}
		fmt.Fprintf(&own, "  readonly %s: %s;\n", name, twin)
	}
	fmt.Fprintf(w, "\nexport interface %s {\n%s}\n", typ.Name(), own.String())
	return nil
}

// twin is the TypeScript type of a field.
func (w *interfaces) twin(typ reflect.Type) (string, error) {
	switch typ.Kind() {
	case reflect.Struct:
		return typ.Name(), w.write(typ)
	case reflect.Slice:
		of, err := w.twin(typ.Elem())
		return "readonly " + of + "[]", err
	}
	if kinds[typ.Kind()] == "" {
		return "", fmt.Errorf("type %s has no twin", typ)
	}
	return kinds[typ.Kind()], nil
}
