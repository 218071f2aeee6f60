-- Organisations, the people in them, and the keys that speak for both.

CREATE TABLE orgs (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- NULL: no bound. A list bounds every client that this organisation has not restricted by itself.
    default_client_scopes TEXT,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id BLOB PRIMARY KEY,
    -- Lower case: an address is one person however it is typed.
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER
) STRICT;

CREATE TABLE memberships (
    org_id BLOB NOT NULL REFERENCES orgs (id),
    user_id BLOB NOT NULL REFERENCES users (id),
    role TEXT NOT NULL CHECK (role IN ('admin', 'standard', 'read_only')),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, user_id)
) STRICT;
CREATE INDEX memberships_user ON memberships (user_id);

-- An API key names the organisation.
CREATE TABLE api_keys (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES orgs (id),
    digest BLOB NOT NULL UNIQUE,
    last_four TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_keys_org ON api_keys (org_id);

-- An application key names the person, within one organisation.
CREATE TABLE application_keys (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    last_four TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id)
) STRICT;
CREATE INDEX application_keys_member ON application_keys (org_id, user_id);
