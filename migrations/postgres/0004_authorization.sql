-- People at the browser, what they are asked, what they granted, and the tokens that came of it.

ALTER TABLE users ADD COLUMN name TEXT;

-- What an organisation decided about a client, beside its restriction.
ALTER TABLE org_clients ADD COLUMN authorized_id UUID;
ALTER TABLE org_clients ADD COLUMN first_authorized_at BIGINT;
ALTER TABLE org_clients ADD COLUMN disabled_at BIGINT;
-- Names the pair to operators, from the first consent of any user on.
CREATE UNIQUE INDEX org_clients_authorized ON org_clients (authorized_id);

-- A client that is described by a document at an https URL. Its row in clients holds what the document said last.
CREATE TABLE client_documents (
    client_id UUID PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    url TEXT NOT NULL UNIQUE,
    etag TEXT,
    fetched_at BIGINT NOT NULL,
    fresh_until BIGINT NOT NULL
);

CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    -- SHA-256 of the cookie.
    digest BYTEA NOT NULL UNIQUE,
    user_id UUID NOT NULL REFERENCES users (id),
    signed_in_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    user_agent TEXT NOT NULL,
    address TEXT
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_signed_in ON sessions (signed_in_at);

-- An authorization request that waits for its user, written only after its client and redirect matched.
CREATE TABLE authorization_requests (
    -- SHA-256 of the handle that the forms carry.
    digest BYTEA PRIMARY KEY,
    -- SHA-256 of the cookie of the browser that brought it.
    browser_digest BYTEA NOT NULL,
    client_id UUID NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    -- The request as it was checked.
    request JSONB NOT NULL,
    -- The organisation that the user chose.
    org_id UUID REFERENCES orgs (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX authorization_requests_client ON authorization_requests (client_id);
CREATE INDEX authorization_requests_expired ON authorization_requests (expires_at);

-- What a user authorised for a client in an organisation: one row, revoked and given again.
CREATE TABLE grants (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL,
    client_id UUID NOT NULL,
    user_id UUID NOT NULL,
    -- SHA-256 of what the consent page showed last.
    consent_digest BYTEA NOT NULL,
    consented_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT,
    UNIQUE (org_id, client_id, user_id),
    FOREIGN KEY (org_id, client_id) REFERENCES org_clients (org_id, client_id),
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id)
);
CREATE INDEX grants_user ON grants (user_id);

-- Rows, since a narrower restriction searches them.
CREATE TABLE grant_scopes (
    grant_id UUID NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    PRIMARY KEY (grant_id, scope)
);

-- Where the answers of a grant may go and for which resources ('' for none), as its user was shown: what is asked beyond is
-- shown again, also where every scope was given before.
CREATE TABLE consents (
    grant_id UUID NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    resource TEXT NOT NULL,
    PRIMARY KEY (grant_id, redirect_uri, resource)
);

CREATE TABLE authorization_codes (
    -- SHA-256 of the code.
    digest BYTEA PRIMARY KEY,
    grant_id UUID NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    client_id UUID NOT NULL,
    -- NULL: the request named none, so the exchange need not either.
    redirect_uri TEXT,
    -- NULL: none was sent, so none may be answered.
    code_challenge TEXT,
    scopes JSONB NOT NULL,
    resources JSONB NOT NULL,
    nonce TEXT,
    signed_in_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- The family that the one use began: what a second use ends.
    family_id UUID
);
CREATE INDEX authorization_codes_grant ON authorization_codes (grant_id);
CREATE INDEX authorization_codes_expired ON authorization_codes (expires_at);

-- What one exchange of a code began: a chain of refresh tokens, and the access tokens beside it. The refresh token in use
-- stands in the row itself, so that a rotation is one update and leaves nothing behind.
CREATE TABLE families (
    id UUID PRIMARY KEY,
    grant_id UUID NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    org_id UUID NOT NULL,
    client_id UUID NOT NULL,
    user_id UUID NOT NULL,
    scopes JSONB NOT NULL,
    resources JSONB NOT NULL,
    signed_in_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Of the refresh token in use and the one before it, which are derived under the key of the ring that key_id names.
    -- NULL digest: there is none.
    key_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    current_digest BYTEA,
    previous_digest BYTEA,
    rotated_at BIGINT NOT NULL,
    -- However often it is used; NULL: without an end.
    ends_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    -- When the row may go, at the earliest; moved rarely, since it is indexed. NULL: never.
    forget_at BIGINT
) WITH (fillfactor = 70);
CREATE INDEX families_grant ON families (grant_id);
CREATE INDEX families_forgettable ON families (forget_at);

-- APIs and MCP servers that tokens are for, and that may ask whether a token lives.
CREATE TABLE resources (
    id UUID PRIMARY KEY,
    -- In canonical form: what `aud` says.
    uri TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    scopes JSONB NOT NULL,
    secret_digest BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE signing_keys (
    -- The key's JWK thumbprint (RFC 7638).
    id TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    public_jwk JSONB NOT NULL,
    -- Sealed under the key ring; key_id names the key of the ring.
    sealed BYTEA NOT NULL,
    key_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- It is published before it signs, and after.
    signs_from BIGINT NOT NULL,
    -- NULL: no younger key has taken its place. Published until the last token that it signed has ended.
    retired_at BIGINT
);
