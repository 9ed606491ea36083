package page_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"parley/web/page"
)

// TestFS checks that there is always a page to serve, built or not, and that nothing in it needs a looser
// policy than 'self'.
func TestFS(t *testing.T) {
	html, err := fs.ReadFile(page.FS(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	if !page.Built() {
		if !strings.Contains(string(html), "make build") {
			t.Error("the page in place of the built one does not say how to build it")
		}
		return
	}
	for _, name := range []string{"app.js", "check.html", "check.js", "console.css", "console.html", "console.js", "listen.html", "listen.js", "parley.js", "app.css", "favicon.svg"} {
		if info, err := fs.Stat(page.FS(), name); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty: %v", name, err)
		}
	}
}

// TestSelfContained checks the sources: no inline script or style, and nothing from another host.
func TestSelfContained(t *testing.T) {
	bad := regexp.MustCompile(`<script>|<style|\sstyle="|\son[a-z]+="|\beval\(|new Function|(src|href|url\()[="'(]*https?:`)
	for _, dir := range []string{"src", "unbuilt"} {
		files, err := fs.ReadDir(os.DirFS("."), dir)
		if err != nil || len(files) == 0 {
			t.Fatalf("read %s: %v", dir, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(dir + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			if found := bad.Find(text); found != nil {
				t.Errorf("%s/%s has %q", dir, f.Name(), found)
			}
		}
	}
}

// TestLock checks that the packages are pinned by version and checksum, and by no host.
func TestLock(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), "registry") {
		t.Error("package-lock.json names a registry: install with the .npmrc of this folder")
	}
	pkg, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	if loose := regexp.MustCompile(`": "[\^~*>]`).Find(pkg); loose != nil {
		t.Errorf("package.json has a version that is not exact: %s", loose)
	}
}
