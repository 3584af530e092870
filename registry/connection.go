package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// certificateCause says what is wrong with a certificate, nil when nothing is.
func certificateCause(err error) *cause {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &authority):
		return &cause{text: "has a certificate that is not trusted",
			advice: "add the authority that signed it to this machine's, or name a file with it in $SSL_CERT_FILE"}
	case errors.As(err, &hostname):
		return &cause{text: "has a certificate for another host",
			advice: "check the registry's name, and for which names its certificate is"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return &cause{text: "has a certificate that is not valid today, " + lifetime(invalid.Cert),
			advice: "check this machine's clock, and have the registry's certificate renewed"}
	case errors.As(err, &invalid):
		return &cause{text: "has a certificate that is not valid", advice: "have the registry's certificate replaced"}
	}
	return nil
}

func lifetime(c *x509.Certificate) string {
	return fmt.Sprintf("only from %s to %s", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
}

// connectionText describes a failed connection out of the errors that are known
// to hold no more than addresses and names.
func connectionText(err error) (string, error) {
	var (
		dns    *net.DNSError
		op     *net.OpError
		record tls.RecordHeaderError
		cut    *cutError
	)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("has no address: lookup %s: %s", dns.Name, dns.Err), dns
	// Before what https says: a private host without it is asked over plain HTTP
	// too, and then both errors are here.
	case errors.As(err, &cut):
		return cut.Error(), io.ErrUnexpectedEOF
	case brokenOff(err):
		return "broke the connection off", io.ErrUnexpectedEOF
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return "does not speak https", http.ErrSchemeMismatch
	case errors.As(err, &op):
		return fmt.Sprintf("cannot be reached: %s: %s", op.Op, op.Err), op
	}
	return "", nil
}

// brokenOff tells whether a connection ended before its time.
func brokenOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
