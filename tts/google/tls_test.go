package google

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
	"testing"
	"time"
)

// own is what the servers of these tests prove themselves with, and the key of the service account.
var own struct {
	key  *rsa.PrivateKey
	cert tls.Certificate
}

// trustOurselves makes a certificate for the loopback that this process trusts.
func trustOurselves() (err error) {
	if own.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "loopback"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &own.key.PublicKey, own.key)
	if err != nil {
		return err
	}
	own.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own.key}
	dir, err := os.MkdirTemp("", "trust")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
		return err
	}
	_, err = x509.SystemCertPool() // reads it
	return err
}

// account writes a service account's file whose key is ours, and returns its path.
func account(t testing.TB) string {
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

// safe fails t if an error tells what is secret.
func safe(t testing.TB, err error) {
	t.Helper()
	pem := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(own.key)})
	for _, secret := range []string{"eyJ", "PRIVATE KEY", string(pem[40:80])} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error %q tells a secret", err)
		}
	}
}

// signed tells whether a token is signed with the service account's key.
func signed(jwt string) bool {
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
