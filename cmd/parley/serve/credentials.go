package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"parley/internal/models"
	llmlocal "parley/llm/local"
)

// Found is what this computer has of what an engine needs. It says where, and never a value.
type Found struct {
	Ready bool     `json:"ready"`           // nothing is missing that can be looked for without a network
	Where []string `json:"where,omitempty"` // what is there
	Mend  []string `json:"mend,omitempty"`  // what is missing, and how to get it
}

func (f Found) and(g Found) Found {
	return Found{Ready: f.Ready && g.Ready, Where: slices.Concat(f.Where, g.Where), Mend: slices.Concat(f.Mend, g.Mend)}
}

func present(where string) Found { return Found{Ready: true, Where: []string{where}} }
func absent(mend string) Found   { return Found{Mend: []string{mend}} }

// finders look for what an engine needs beside models. Engines without a row need nothing.
var finders = map[string]func(s *spec) Found{
	"stt google":          googleHas,
	"stt google-v2":       google2Has,
	"stt aws":             amazonHas,
	"stt openai":          openAIHas,
	"stt openai-realtime": openAIHas,
	"llm local":           llamaHas,
	"llm openai":          openAIHas,
	"llm anthropic":       anthropicHas,
	"llm completions":     openAIHas,
	"llm gptj":            serverHas,
	"tts local":           espeakHas,
	"tts espeak":          espeakHas,
	"tts google":          googleHas,
	"tts aws":             amazonHas,
	"tts openai":          openAIHas,
}

// Found looks for what the engine needs: models, programs, and credentials where its library looks for them. It
// reads files and the environment, and uses no network. The error is of a flag's value that is wrong.
func (o One) Found() (Found, error) {
	s, set, err := o.needs()
	if err != nil {
		return Found{}, err
	}
	look, known := finders[o.Kind+" "+s.name]
	f := Found{Ready: true}
	if set != 0 {
		f = fetched(&kit{models: o.Models}, set)
	}
	if known {
		f = f.and(look(s))
	}
	if len(f.Where) == 0 && f.Ready {
		f.Where = []string{"it needs nothing"}
	}
	return f, nil
}

func fetched(k *kit, set models.Set) Found {
	if n := len(models.Missing(k.dir(), set)); n > 0 {
		return absent(fmt.Sprintf("%d files of its models are missing in %s: parley models fetch", n, k.dir()))
	}
	return present("its models are in " + k.dir())
}

// program is a program that must be on the PATH.
func program(name, mend string) Found {
	if _, err := exec.LookPath(name); err != nil {
		return absent(mend)
	}
	return present("the program " + name)
}

func espeakHas(*spec) Found {
	return program("espeak-ng", "espeak-ng is not installed: apt install espeak-ng")
}

func llamaHas(s *spec) Found {
	f := Found{Ready: true}
	if name := s.text("server", ""); name != "" {
		f = f.and(program(name, "the program of server= is not there"))
	} else if _, err := exec.LookPath(llmlocal.Program); err == nil {
		f = f.and(present("the program " + llmlocal.Program))
	}
	if file := s.text("model", ""); file != "" {
		f = f.and(readable(file, "the file of model="))
	}
	return f
}

func readable(file, what string) Found {
	f, err := os.Open(file)
	if err != nil {
		return absent(what + " cannot be read")
	}
	_ = f.Close() // nothing was written
	return present(what)
}

// contents are those of a small file.
func contents(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// serverHas is of a server without credentials.
func serverHas(s *spec) Found {
	if s.text("url", "") == "" {
		return absent("no server is named: gptj:url=URL; the one it takes by default, on this computer, was not looked for")
	}
	return present("the server of url=; it has no key")
}

func openAIHas(s *spec) Found    { return keyHas(s, "OPENAI_API_KEY") }
func anthropicHas(s *spec) Found { return keyHas(s, "ANTHROPIC_API_KEY") }

// keyHas is of a server, the vendor's or another, and the variable that its key is in.
func keyHas(s *spec, variable string) Found {
	key := strings.TrimSpace(os.Getenv(variable)) != ""
	switch own := s.text("url", "") != ""; {
	case own && key:
		return present("the server of url=").and(present(variable + " is set"))
	case own:
		return present("the server of url=, without a key: " + variable + " is not set")
	case key:
		return present(variable + " is set")
	}
	return absent("set " + variable + ", or name another server: " + s.name + ":url=URL")
}

// googleHas looks where Application Default Credentials are: in the file that the environment names, else in gcloud's.
func googleHas(s *spec) Found {
	if strings.HasPrefix(s.text("endpoint", ""), "http://") {
		return present("the endpoint of endpoint=, without credentials")
	}
	if file := s.text("credentials", ""); file != "" {
		return googleFile(file, "the file of credentials=")
	}
	if file := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); file != "" {
		return googleFile(file, "application default credentials: the file named by GOOGLE_APPLICATION_CREDENTIALS")
	}
	file := filepath.Join(homeFolder(), ".config", "gcloud", "application_default_credentials.json")
	if _, err := os.Stat(file); err != nil {
		return absent("no application default credentials: set GOOGLE_APPLICATION_CREDENTIALS to a service account's file, " +
			"or run 'gcloud auth application-default login'")
	}
	return googleFile(file, "application default credentials: those of gcloud, in the home folder")
}

// googleFile is a file of credentials of Google's.
func googleFile(file, what string) Found {
	data, err := contents(file)
	if err != nil {
		return absent(what + " cannot be read")
	}
	var a struct{ Type string }
	if err := json.Unmarshal(data, &a); err != nil || a.Type == "" {
		return absent(what + " is not JSON of credentials")
	}
	return present(what)
}

func google2Has(s *spec) Found {
	project := absent("no project: set GOOGLE_CLOUD_PROJECT, or name one with project=")
	switch {
	case s.text("project", "") != "":
		project = present("the project of project=")
	case os.Getenv("GOOGLE_CLOUD_PROJECT") != "":
		project = present("GOOGLE_CLOUD_PROJECT is set")
	}
	return googleHas(s).and(project)
}

func homeFolder() string {
	if h := os.Getenv("HOME"); h != "" {
		return h
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// secrets are the variables whose values nobody may see.
var secrets = []string{
	"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN",
}

// Redact takes the environment's secrets out of a text: a server may repeat what it was sent. Of a secret that is cut off
// by an ellipsis, as long texts are, what is left is taken out too.
func Redact(text string) string {
	const least = 8 // bytes; less could be anything
	for _, name := range secrets {
		v := strings.TrimSpace(os.Getenv(name))
		for _, v := range []string{v, url.QueryEscape(v)} {
			if len(v) < least {
				continue
			}
			text = strings.ReplaceAll(text, v, "[secret]")
			for n := len(v) - 1; n >= least; n-- {
				text = strings.ReplaceAll(text, v[:n]+"…", "[secret]…")
			}
		}
	}
	return text
}
