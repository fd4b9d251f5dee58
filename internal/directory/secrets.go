package directory

import (
	"errors"
	"net/url"
	"strings"
)

// secrets are what no message may hold.
type secrets []string

// newSecrets has a DSN, and its password in every spelling that a message could have.
func newSecrets(dsn, password string) secrets {
	if password == "" {
		return nil
	}
	return secrets{dsn, password, url.QueryEscape(password), url.PathEscape(password), url.UserPassword("", password).String()[1:]}
}

// hide takes them out of an error. What is in it can be asked for no longer, then.
func (s secrets) hide(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, "***")
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
