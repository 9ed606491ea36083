// Package googletest lets the tests of Google's adapters have a server with a certificate and an account of their own.
package googletest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Own is what a server on the loopback proves itself with, and the key of a service account.
type Own struct {
	key  *rsa.PrivateKey
	cert tls.Certificate
}

// New makes a certificate for the loopback that this process trusts, and sets a proxy that does not answer: a server
// on this computer is reached without it. It is for TestMain, once a process.
func New() (own *Own, err error) {
	own = &Own{}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		if err := os.Setenv(name, "http://127.0.0.1:1"); err != nil {
			return nil, err
		}
	}
	if own.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "loopback"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &own.key.PublicKey, own.key)
	if err != nil {
		return nil, err
	}
	own.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own.key}
	dir, err := os.MkdirTemp("", "trust")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
		return nil, err
	}
	_, err = x509.SystemCertPool() // reads it
	return own, err
}

// Server is the option of a server that proves itself.
func (own *Own) Server() grpc.ServerOption {
	return grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{own.cert}}))
}

// Counted is l; n counts its connections.
func Counted(l net.Listener) (_ net.Listener, n *atomic.Int32) {
	c := &counted{Listener: l}
	return c, &c.n
}

type counted struct {
	net.Listener
	n atomic.Int32
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}

// Account writes a service account's file whose key is ours, and returns its path.
func (own *Own) Account(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(own.key)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "proj", "private_key_id": "k1", "client_id": "1",
		"client_email": "voice@proj.iam.gserviceaccount.com", "token_uri": "https://127.0.0.1:1/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Safe fails t if an error tells what is secret.
func (own *Own) Safe(t testing.TB, err error) {
	t.Helper()
	pem := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(own.key)})
	for _, secret := range []string{"eyJ", "PRIVATE KEY", string(pem[40:80])} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error %q tells a secret", err)
		}
	}
}

// Signed tells whether a token is signed with the service account's key.
func (own *Own) Signed(jwt string) bool {
	body, sig, ok := cutLast(jwt, ".")
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if !ok || err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(body))
	return rsa.VerifyPKCS1v15(&own.key.PublicKey, crypto.SHA256, sum[:], raw) == nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
