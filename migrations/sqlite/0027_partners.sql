-- Partners: organizations that publish clients for all organizations, after a reviewer approved a version.

-- When the newest version was approved. NULL: none was.
ALTER TABLE clients ADD COLUMN published_at INTEGER;
-- NULL: it is not suspended.
ALTER TABLE clients ADD COLUMN suspended_at INTEGER;
ALTER TABLE clients ADD COLUMN retired_at INTEGER;
-- When its tile was shown to all organizations. NULL: only members of its owner see it.
ALTER TABLE clients ADD COLUMN listed_at INTEGER;
-- The same for published names that look alike. NULL: never published, or retired.
ALTER TABLE clients ADD COLUMN published_name TEXT;
CREATE UNIQUE INDEX clients_published_name ON clients (published_name) WHERE published_name IS NOT NULL;

-- The published client of a private one. NULL: nothing was submitted yet.
ALTER TABLE app_pairs ADD COLUMN published_client_id BLOB REFERENCES clients (id);
CREATE UNIQUE INDEX app_pairs_published ON app_pairs (published_client_id) WHERE published_client_id IS NOT NULL;

-- What an owner submitted for review. The snapshot never changes.
CREATE TABLE client_versions (
    id BLOB PRIMARY KEY,
    private_client_id BLOB NOT NULL REFERENCES clients (id),
    -- Counts the versions of the client, from 1.
    number INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('submitted', 'published', 'superseded', 'rejected', 'withdrawn', 'retired')),
    snapshot TEXT NOT NULL,
    note TEXT,
    scope_reasons TEXT NOT NULL,
    -- A user, who may have left. NULL: the command line.
    submitted_by BLOB,
    submitted_at INTEGER NOT NULL,
    decided_by BLOB,
    decided_at INTEGER,
    decision_note TEXT,
    UNIQUE (private_client_id, number)
) STRICT;
-- A client has one version in review and one that is published at most.
CREATE UNIQUE INDEX client_versions_submitted ON client_versions (private_client_id) WHERE state = 'submitted';
CREATE UNIQUE INDEX client_versions_published ON client_versions (private_client_id) WHERE state = 'published';
CREATE INDEX client_versions_queue ON client_versions (state, submitted_at, id);

-- The approved partners.
CREATE TABLE partners (
    org_id BLOB PRIMARY KEY REFERENCES orgs (id),
    -- The private scopes that its clients may request.
    private_scopes TEXT NOT NULL,
    note TEXT,
    -- A user, who may have left. NULL: the command line.
    approved_by BLOB,
    approved_at INTEGER NOT NULL
) STRICT;

-- Users who approve partners and decide on versions.
CREATE TABLE reviewers (
    user_id BLOB PRIMARY KEY REFERENCES users (id),
    added_at INTEGER NOT NULL
) STRICT;

-- A user has just begun to connect a client from its tile, with this browser.
CREATE TABLE connection_starts (
    browser_digest BLOB NOT NULL,
    client_id BLOB NOT NULL REFERENCES clients (id),
    org_id BLOB NOT NULL REFERENCES orgs (id),
    user_id BLOB NOT NULL REFERENCES users (id),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (browser_digest, client_id)
) STRICT;
CREATE INDEX connection_starts_expiry ON connection_starts (expires_at);
