package token

import (
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
)

// Kind is how a secret's token is obtained and renewed: what fixes a rejected one depends on that.
type Kind int

// The kinds. UnknownKind is that of a secret that could not be read.
const (
	UnknownKind  Kind = iota
	PlainText         // the secret is the token
	InJSON            // a token in JSON, stored by an operator
	ClientMinted      // the caller obtains it as an OAuth 2.0 client
	KeyMinted         // the caller obtains it with an assertion that it signs
	LoginMinted       // the caller obtains it by a login call
	OtherMinted       // the caller obtains it in another way
	Refreshed         // the rotator renews it with a refresh token
	SelfRenewed       // the rotator renews it with the token itself
)

// Kind returns the document's kind. A token selected by Key is PlainText: the other members are opaque. The order
// matters: who renews the token comes before how it is obtained, and an identity of AWS, which no one stores, before
// the client's own credential.
func (d Document) Kind() Kind {
	switch {
	case d.Rotate != nil:
		return SelfRenewed
	case d.OAuth2 != nil && d.OAuth2.Grant == oauth.RefreshToken:
		return Refreshed
	case d.OAuth2 != nil && d.OAuth2.UsesIdentity():
		return OtherMinted
	case d.OAuth2 != nil && (d.OAuth2.Grant == oauth.JWTBearer || d.OAuth2.Auth == oauth.AuthPrivateKeyJWT):
		return KeyMinted
	case d.OAuth2 != nil:
		return ClientMinted
	case d.Login != nil:
		return LoginMinted
	case d.JWT != nil:
		return KeyMinted
	case d.Minted():
		return OtherMinted
	case d.source.Kind == jsondoc.Object:
		return InJSON
	default:
		return PlainText
	}
}

// Renewable reports whether the rotator renews the token: by a refresh token, or by the provider's "new token" call.
func (d Document) Renewable() bool {
	return d.Rotate != nil || d.OAuth2 != nil && d.OAuth2.Grant == oauth.RefreshToken
}
