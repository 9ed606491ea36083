package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// certificate is what --tls asks for, and the scheme that follows: nil and http without one.
func certificate(flag, listen string) (*tls.Config, string, error) {
	if flag == "" {
		return nil, "http", nil
	}
	var cert tls.Certificate
	var err error
	if flag == "self" {
		cert, err = selfSigned(listen, time.Now())
	} else {
		pub, key, ok := strings.Cut(flag, ",")
		if !ok {
			return nil, "", fmt.Errorf("--tls %s: want self, or the certificate's and the key's PEM files separated by a comma", flag)
		}
		cert, err = tls.LoadX509KeyPair(pub, key)
	}
	if err != nil {
		return nil, "", fmt.Errorf("--tls %s: %w", flag, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, "https", nil
}

// selfSigned makes a certificate for this machine's names and addresses, good for a year.
func selfSigned(listen string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make serial number: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "parley"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: addresses(),
	}
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" && net.ParseIP(host) == nil {
		t.DNSNames = append(t.DNSNames, host)
	}
	if name, err := os.Hostname(); err == nil {
		t.DNSNames = append(t.DNSNames, name)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func addresses() (ips []net.IP) {
	all, err := net.InterfaceAddrs()
	if err != nil { // a certificate for loopback is better than none
		return []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			ips = append(ips, n.IP)
		}
	}
	return ips
}
