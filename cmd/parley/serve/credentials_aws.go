package serve

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// amazonHas looks where Amazon's library does, in its order, for what can be found without a network: it asks no
// metadata service whether this computer has a role, runs no credential_process and signs in nowhere.
func amazonHas(s *spec) Found {
	p := readProfile()
	return amazonRegion(s, p).and(amazonAccount(p))
}

func amazonRegion(s *spec, p awsProfile) Found {
	if s.text("region", "") != "" {
		return present("the region of region=")
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if os.Getenv(name) != "" {
			return present(name + " is set")
		}
	}
	if p.keys["region"] {
		return present("the region of " + p.name)
	}
	return absent("no region: set AWS_REGION, or name one with region=")
}

func amazonAccount(p awsProfile) Found {
	set := func(name string) bool { return os.Getenv(name) != "" }
	switch {
	case (set("AWS_ACCESS_KEY_ID") || set("AWS_ACCESS_KEY")) && (set("AWS_SECRET_ACCESS_KEY") || set("AWS_SECRET_KEY")):
		return present("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set")
	case set("AWS_WEB_IDENTITY_TOKEN_FILE"):
		return readable(os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), "the web identity in the file named by AWS_WEB_IDENTITY_TOKEN_FILE")
	}
	for _, way := range []struct{ key, what string }{
		{"source_profile", "the role of "}, {"aws_access_key_id", "the keys of "}, {"credential_source", "the role of "}, {"web_identity_token_file", "the web identity of "},
		{"sso_session", "the single sign-on of "}, {"sso_start_url", "the single sign-on of "}, {"login_session", "the sign-in of "}, {"credential_process", "the program of "},
	} {
		if p.keys[way.key] {
			return present(way.what + p.name)
		}
	}
	for _, name := range []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		if set(name) {
			return present("the container's role: " + name + " is set")
		}
	}
	mend := "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or make a profile with 'aws configure'"
	if !p.exists && p.chosen {
		mend = "no credentials: " + p.name + " is in none of Amazon's files"
	}
	return absent(mend)
}

// awsProfile is a section of the files that Amazon's tools share.
type awsProfile struct {
	name   string
	chosen bool // by the environment
	exists bool
	keys   map[string]bool // those that have a value
}

func readProfile() awsProfile {
	p := awsProfile{name: "the shared profile 'default'", keys: map[string]bool{}}
	section := "default"
	for _, name := range []string{"AWS_DEFAULT_PROFILE", "AWS_PROFILE"} {
		if v := os.Getenv(name); v != "" {
			section, p.name, p.chosen = v, "the shared profile named by "+name, true
		}
	}
	p.read(sharedFile("AWS_CONFIG_FILE", "config"), "profile "+section)
	if section == "default" {
		p.read(sharedFile("AWS_CONFIG_FILE", "config"), section)
	}
	p.read(sharedFile("AWS_SHARED_CREDENTIALS_FILE", "credentials"), section)
	return p
}

func sharedFile(env, name string) string {
	if file := os.Getenv(env); file != "" {
		return file
	}
	return filepath.Join(homeFolder(), ".aws", name)
}

// read adds the keys of a file's section. A file that is not there has none.
func (p *awsProfile) read(file, section string) {
	data, err := contents(file)
	if err != nil {
		return
	}
	within := false
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		line := lines.Text()
		if head, ok := strings.CutPrefix(strings.TrimSpace(line), "["); ok {
			head, _, _ = strings.Cut(head, "]")
			within = strings.Join(strings.Fields(head), " ") == section
			p.exists = p.exists || within
			continue
		}
		nested := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") // a setting of the line above
		if key, value, ok := strings.Cut(line, "="); within && ok && !nested && strings.TrimSpace(value) != "" {
			p.keys[strings.ToLower(strings.TrimSpace(key))] = true // a comment is no key that anybody looks for
		}
	}
}
