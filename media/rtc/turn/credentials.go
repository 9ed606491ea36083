package turn

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/media/rtc"
)

// maxName bounds a user name, in bytes; ours have 19.
const maxName = 128

// issue makes a name that is good until expiry, and its password.
func issue(secret []byte, expiry time.Time) (name, password string) {
	name = strconv.FormatInt(expiry.Unix(), 10) + ":" + rand.Text()[:8]
	return name, sign(secret, name)
}

// sign is the password of a name.
func sign(secret []byte, name string) string {
	h := hmac.New(sha1.New, secret)
	h.Write([]byte(name))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// expiry reads when a name expires, in Unix seconds: digits, alone or before a colon and anything. Whoever knows the
// secret may have chosen the name, so that a far expiry is as good as a near one.
func expiry(name string) (unix int64, ok bool) {
	if len(name) > maxName {
		return 0, false
	}
	digits, _, _ := strings.Cut(name, ":")
	n, err := strconv.ParseUint(digits, 10, 63) // takes no sign
	return int64(n), err == nil
}

// Remote is for a TURN server elsewhere that knows the secret too (coturn: use-auth-secret, static-auth-secret).
// What it returns makes credentials that are good for ttl from now on, and may be called by any goroutine. A URL is
// turn:host or turns:host with an optional :port and ?transport=udp or tcp; the error names one that is not.
func Remote(urls []string, secret []byte, ttl time.Duration) (func(now time.Time) []rtc.ICEServer, error) {
	if len(urls) == 0 || len(secret) == 0 || ttl <= 0 {
		return nil, errors.New("use TURN server: it takes a URL, the secret that the server has, and a time for its credentials")
	}
	for _, u := range urls {
		if err := checkURL(u); err != nil {
			return nil, fmt.Errorf("use TURN server %q: %w", u, err)
		}
	}
	urls, secret = slices.Clone(urls), slices.Clone(secret)
	return func(now time.Time) []rtc.ICEServer { return servers(urls, secret, now.Add(ttl)) }, nil
}

func servers(urls []string, secret []byte, until time.Time) []rtc.ICEServer {
	name, password := issue(secret, until)
	return []rtc.ICEServer{{URLs: slices.Clone(urls), Username: name, Credential: password}}
}

// checkURL is whether a browser would take the URL of a TURN server (RFC 7065).
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "turn" && u.Scheme != "turns" || u.Opaque == "" {
		return errors.New("write turn:HOST:PORT?transport=udp, or turns: for TLS")
	}
	if u.RawQuery != "" && u.RawQuery != "transport=udp" && u.RawQuery != "transport=tcp" || u.Fragment != "" {
		return errors.New("only ?transport=udp or ?transport=tcp may follow the port")
	}
	return checkHost(u.Opaque)
}

// checkHost is whether text is a host with a port or without.
func checkHost(text string) error {
	host, port := text, "3478"
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return errors.New("an IPv6 address stands in brackets: turn:[2001:db8::1]:3478")
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("the port is a number from 1 to 65535")
	}
	if strings.Trim(host, "[]") == "" || strings.ContainsAny(host, "@/ ") {
		return errors.New("it has no host")
	}
	return nil
}
