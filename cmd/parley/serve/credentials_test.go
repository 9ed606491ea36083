package serve

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// stripped gives the test a home folder with nothing in it, and an environment without any vendor's variables.
func stripped(t *testing.T) (home string) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		for _, vendor := range []string{"ANTHROPIC_", "AWS_", "GOOGLE_", "OPENAI_"} {
			if strings.HasPrefix(name, vendor) {
				t.Setenv(name, "")
			}
		}
	}
	home = t.TempDir()
	t.Setenv("HOME", home)
	return home
}

// written makes a file and gives its path.
func written(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const hidden = "hidden-0123456789"

func TestFoundInTheEnvironment(t *testing.T) {
	account := `{"type":"service_account","private_key":"` + hidden + `"}`
	for _, c := range []struct {
		kind, value string
		env         map[string]string
		ready       bool
		want        string
	}{
		{"stt", "openai", nil, false, "set OPENAI_API_KEY, or name another server: openai:url=URL"},
		{"stt", "openai", map[string]string{"OPENAI_API_KEY": " "}, false, "set OPENAI_API_KEY"},
		{"stt", "openai", map[string]string{"OPENAI_API_KEY": hidden}, true, "OPENAI_API_KEY is set"},
		{"llm", "openai:url=http://127.0.0.1:1,model=x", nil, true, "without a key: OPENAI_API_KEY is not set"},
		{"tts", "openai:url=http://127.0.0.1:1", map[string]string{"OPENAI_API_KEY": hidden}, true, "the server of url=, OPENAI_API_KEY is set"},
		{"llm", "anthropic", map[string]string{"OPENAI_API_KEY": hidden}, false, "set ANTHROPIC_API_KEY, or name another server: anthropic:url=URL"},
		{"llm", "anthropic:model=x", map[string]string{"ANTHROPIC_API_KEY": hidden}, true, "ANTHROPIC_API_KEY is set"},
		{"llm", "anthropic:url=http://127.0.0.1:1,model=x", nil, true, "without a key: ANTHROPIC_API_KEY is not set"},
		{"llm", "gptj", nil, false, "gptj:url=URL"},
		{"llm", "gptj:url=http://127.0.0.1:1", nil, true, "the server of url="},
		{"stt", "google", nil, false, "set GOOGLE_APPLICATION_CREDENTIALS to a service account's file"},
		{"stt", "google", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": account}, true, "the file named by GOOGLE_APPLICATION_CREDENTIALS"},
		{"tts", "google", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "[" + hidden}, false, "is not JSON of credentials"},
		{"tts", "google:credentials=/no/such", nil, false, "the file of credentials= cannot be read"},
		{"tts", "google:endpoint=http://127.0.0.1:1", nil, true, "without credentials"},
		{"stt", "google-v2", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": account}, false, "set GOOGLE_CLOUD_PROJECT"},
		{"stt", "google-v2", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": account, "GOOGLE_CLOUD_PROJECT": hidden}, true, "GOOGLE_CLOUD_PROJECT is set"},
		{"stt", "google-v2:project=p", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": account}, true, "the project of project="},
		{"stt", "aws", nil, false, "set AWS_REGION, or name one with region=, no credentials: set AWS_ACCESS_KEY_ID"},
		{"tts", "aws", map[string]string{"AWS_ACCESS_KEY_ID": hidden, "AWS_SECRET_ACCESS_KEY": hidden}, false, "no region"},
		{"tts", "aws:region=eu-west-1", map[string]string{"AWS_ACCESS_KEY_ID": hidden, "AWS_SECRET_ACCESS_KEY": hidden}, true,
			"the region of region=, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set"},
		{"stt", "aws", map[string]string{"AWS_DEFAULT_REGION": hidden, "AWS_ACCESS_KEY_ID": hidden}, false, "AWS_DEFAULT_REGION is set"},
		{"stt", "aws", map[string]string{"AWS_REGION": hidden, "AWS_WEB_IDENTITY_TOKEN_FILE": "/no/" + hidden}, false, "AWS_WEB_IDENTITY_TOKEN_FILE cannot be read"},
		{"stt", "aws", map[string]string{"AWS_REGION": hidden, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/" + hidden}, true, "the container's role"},
		{"stt", "script", nil, true, "it needs nothing"},
		{"vad", "energy", nil, true, "it needs nothing"},
		{"stt", "local", nil, false, "parley models fetch"},
		{"llm", "local:model=/no/such.gguf,server=/no/such", nil, false, "the program of server= is not there, the file of model= cannot be read"},
	} {
		t.Run(c.kind+" "+c.value, func(t *testing.T) {
			home := stripped(t)
			for name, v := range c.env {
				if name == "GOOGLE_APPLICATION_CREDENTIALS" {
					v = written(t, filepath.Join(home, hidden), v)
				}
				t.Setenv(name, v)
			}
			f, err := One{Kind: c.kind, Value: c.value, Models: home}.Found()
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(append(f.Where, f.Mend...), ", ")
			if f.Ready != c.ready || f.Ready != (len(f.Mend) == 0) || !strings.Contains(said, c.want) {
				t.Errorf("ready: %v, %s", f.Ready, said)
			}
			if strings.Contains(said, hidden) {
				t.Errorf("a value is told: %s", said)
			}
		})
	}
}

func TestFoundInAmazonsFiles(t *testing.T) {
	for name, c := range map[string]struct {
		env                 map[string]string
		config, credentials string
		ready               bool
		want                string
	}{
		"default":         {nil, "[default]\nregion = x\n", "[default]\naws_access_key_id = x\naws_secret_access_key = x\n", true, "the region of the shared profile 'default', the keys of the shared profile 'default'"},
		"spelled out":     {nil, "[profile default]\nregion=x\ncredential_process = x\n", "", true, "the program of the shared profile 'default'"},
		"named":           {map[string]string{"AWS_PROFILE": "work"}, "[default]\n[ profile  work ]\nregion=x\nsso_session=x\n", "", true, "the single sign-on of the shared profile named by AWS_PROFILE"},
		"the other name":  {map[string]string{"AWS_DEFAULT_PROFILE": "work"}, "[profile work]\nregion=x\nrole_arn=x\nsource_profile=x\n", "", true, "the role of the shared profile named by AWS_DEFAULT_PROFILE"},
		"of another":      {map[string]string{"AWS_PROFILE": "work"}, "[default]\nregion=x\n[profile home]\nregion=x\n", "[default]\naws_access_key_id=x\n", false, "the shared profile named by AWS_PROFILE is in none of Amazon's files"},
		"without values":  {nil, "[default]\nregion =\n#region=x\n  region=x\n", "[default]\naws_access_key_id=\n", false, "no region"},
		"nonsense":        {nil, "[\n]=\n=\x00\n\n[default", "=", false, "no region"},
		"a role's source": {nil, "[default]\nregion=x\nrole_arn=x\ncredential_source=Environment\n", "", true, "the role of the shared profile 'default'"},
	} {
		t.Run(name, func(t *testing.T) {
			home := stripped(t)
			written(t, filepath.Join(home, ".aws", "config"), c.config)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", written(t, filepath.Join(home, "keys"), c.credentials))
			for name, v := range c.env {
				t.Setenv(name, v)
			}
			f, err := One{Kind: "tts", Value: "aws"}.Found()
			if err != nil {
				t.Fatal(err)
			}
			if said := strings.Join(append(f.Where, f.Mend...), ", "); f.Ready != c.ready || !strings.Contains(said, c.want) {
				t.Errorf("ready: %v, %s", f.Ready, said)
			}
		})
	}
}

func TestFoundOfGcloud(t *testing.T) {
	home := stripped(t)
	written(t, filepath.Join(home, ".config", "gcloud", "application_default_credentials.json"), `{"type":"authorized_user"}`)
	if f, err := (One{Kind: "tts", Value: "google"}).Found(); err != nil || !f.Ready || !strings.Contains(f.Where[0], "those of gcloud") {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestFoundNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ kind, value, want string }{
		{"stt", "ear", `--stt: there is no "ear"; known are local, google`},
		{"llm", "openai:model", `"model" is not key=value`},
		{"ear", "local", `there is no kind "ear"`},
	} {
		if _, err := (One{Kind: c.kind, Value: c.value}).Found(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.kind, c.value, err)
		}
	}
}

// Nobody is asked over the network, also where a library would: the metadata services of the clouds.
func TestFoundAsksNobody(t *testing.T) {
	stripped(t)
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	for _, name := range []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "HTTP_PROXY", "HTTPS_PROXY"} {
		t.Setenv(name, server.URL)
	}
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(server.URL, "http://"))
	for _, a := range Adapters() {
		if _, err := (One{Kind: a.Kind, Value: a.Name, Models: t.TempDir()}).Found(); err != nil {
			t.Errorf("--%s %s: %v", a.Kind, a.Name, err)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

// A row of the finders stands for an engine of the tables.
func TestFindersAreOfEngines(t *testing.T) {
	known := map[string]bool{}
	for _, a := range Adapters() {
		known[a.Kind+" "+a.Name] = true
	}
	for name := range finders {
		if !known[name] {
			t.Errorf("there is no %s", name)
		}
	}
	if len(known) < 20 {
		t.Errorf("only %d engines are listed", len(known))
	}
}

func TestRedact(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", hidden)
	t.Setenv("AWS_SESSION_TOKEN", "a")
	t.Setenv("OPENAI_API_KEY", "")
	t.Setenv("ANTHROPIC_API_KEY", "sk-ant-"+hidden)
	t.Setenv("AWS_ACCESS_KEY_ID", "a/b+c=0123456789")
	for text, want := range map[string]string{
		"a secret: " + hidden + ".":              "a secret: [secret].",
		"cut: " + hidden[:9] + "…":               "cut: [secret]…",
		"another: sk-ant-" + hidden[:9] + "…":    "another: [secret]…",
		"short: hidden… abc":                     "short: hidden… abc",
		"?q=a%2Fb%2Bc%3D0123456789&a/b+c=01234…": "?q=[secret]&[secret]…",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	var f Found
	if b, err := json.Marshal(f); err != nil || string(b) != `{"ready":false}` {
		t.Errorf("%s, %v", b, err)
	}
}
