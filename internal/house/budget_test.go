package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The budgets: what a reader can hold in the head. They start a conversation in review; a sentence split
// in two to please them is worse than one that is too long.
const (
	fileMedian, fileMost  = 150, 500
	funcMedian, funcMost  = 12, 90
	complexMost           = 15
	exportedMost          = 30
	interfaceMost         = 2
	structMost            = 15
	testsLeast, testsMost = 0.6, 1.5
)

type counter struct {
	t            *testing.T
	fset         *token.FileSet
	files, funcs []int
	source, test int
	exported     map[string]int
}

func TestBudgets(t *testing.T) {
	c := counter{t: t, fset: token.NewFileSet(), exported: map[string]int{}}
	top := root(t)
	for _, folder := range folders(t) {
		names, _ := filepath.Glob(filepath.Join(top, folder, "*.go"))
		for _, name := range names {
			f, err := parser.ParseFile(c.fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			lines := c.fset.File(f.Pos()).LineCount()
			if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "test/") {
				c.test += lines
				continue
			}
			c.source += lines
			c.files = append(c.files, lines)
			if lines > fileMost {
				t.Errorf("%s/%s has %d lines", folder, filepath.Base(name), lines)
			}
			c.file(folder, f)
		}
	}
	for folder, n := range c.exported {
		if n > exportedMost {
			t.Errorf("%s exports %d names", folder, n)
		}
	}
	ratio := float64(c.test) / float64(c.source)
	t.Logf("%d files, median %d lines, longest %d; %d functions, median %d lines, longest %d; %d lines of source, %d of tests: %.2f",
		len(c.files), median(c.files), slices.Max(c.files), len(c.funcs), median(c.funcs), slices.Max(c.funcs), c.source, c.test, ratio)
	if median(c.files) > fileMedian || median(c.funcs) > funcMedian {
		t.Errorf("medians: %d lines a file, %d a function", median(c.files), median(c.funcs))
	}
	if ratio < testsLeast || ratio > testsMost {
		t.Errorf("tests are %.2f of the source", ratio)
	}
}

func median(v []int) int {
	slices.Sort(v)
	return v[len(v)/2]
}

func (c *counter) file(folder string, f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			c.function(folder, d)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				c.spec(folder, d.Tok, s)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.InterfaceType:
			if n.Methods.NumFields() > interfaceMost {
				c.t.Errorf("%s: an interface of %d methods", c.fset.Position(n.Pos()), n.Methods.NumFields())
			}
		case *ast.StructType:
			if n.Fields.NumFields() > structMost {
				c.t.Errorf("%s: a struct of %d fields", c.fset.Position(n.Pos()), n.Fields.NumFields())
			}
			for _, field := range n.Fields.List {
				if s, ok := field.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Context" && len(field.Names) > 0 {
					c.t.Errorf("%s: a context in a struct", c.fset.Position(field.Pos()))
				}
			}
		}
		return true
	})
}

func (c *counter) function(folder string, d *ast.FuncDecl) {
	lines := c.fset.Position(d.End()).Line - c.fset.Position(d.Pos()).Line + 1
	c.funcs = append(c.funcs, lines)
	at := c.fset.Position(d.Pos())
	if lines > funcMost {
		c.t.Errorf("%s: %s has %d lines", at, d.Name.Name, lines)
	}
	if n := complexity(d); n > complexMost {
		c.t.Errorf("%s: %s has a cyclomatic complexity of %d", at, d.Name.Name, n)
	}
	if d.Name.Name == "init" && d.Recv == nil {
		c.t.Errorf("%s: an init function", at)
	}
	if d.Recv == nil && d.Name.IsExported() {
		c.exported[folder]++
	}
}

func (c *counter) spec(folder string, tok token.Token, s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			c.exported[folder]++
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && tok == token.VAR {
				c.exported[folder]++
			}
		}
	}
}

// complexity is McCabe's number: one and one more for every branch. Branches of functions inside count
// for them, not here.
func complexity(d *ast.FuncDecl) int {
	n := 1
	if d.Body == nil {
		return n
	}
	ast.Inspect(d.Body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncLit:
			return false
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if node.List != nil {
				n++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}
