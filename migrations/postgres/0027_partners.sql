-- Partners: organizations that publish clients for all organizations, after a reviewer approved a version.

-- When the newest version was approved. NULL: none was.
ALTER TABLE clients ADD COLUMN published_at BIGINT;
-- NULL: it is not suspended.
ALTER TABLE clients ADD COLUMN suspended_at BIGINT;
ALTER TABLE clients ADD COLUMN retired_at BIGINT;
-- When its tile was shown to all organizations. NULL: only members of its owner see it.
ALTER TABLE clients ADD COLUMN listed_at BIGINT;
-- The same for published names that look alike. NULL: never published, or retired.
ALTER TABLE clients ADD COLUMN published_name TEXT;
CREATE UNIQUE INDEX clients_published_name ON clients (published_name) WHERE published_name IS NOT NULL;

-- The published client of a private one. NULL: nothing was submitted yet.
ALTER TABLE app_pairs ADD COLUMN published_client_id UUID REFERENCES clients (id);
CREATE UNIQUE INDEX app_pairs_published ON app_pairs (published_client_id) WHERE published_client_id IS NOT NULL;

-- What an owner submitted for review. The snapshot never changes.
CREATE TABLE client_versions (
    id UUID PRIMARY KEY,
    private_client_id UUID NOT NULL REFERENCES clients (id),
    -- Counts the versions of the client, from 1.
    number BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('submitted', 'published', 'superseded', 'rejected', 'withdrawn', 'retired')),
    snapshot JSONB NOT NULL,
    note TEXT,
    scope_reasons JSONB NOT NULL,
    -- A user, who may have left. NULL: the command line.
    submitted_by UUID,
    submitted_at BIGINT NOT NULL,
    decided_by UUID,
    decided_at BIGINT,
    decision_note TEXT,
    UNIQUE (private_client_id, number)
);
-- A client has one version in review and one that is published at most.
CREATE UNIQUE INDEX client_versions_submitted ON client_versions (private_client_id) WHERE state = 'submitted';
CREATE UNIQUE INDEX client_versions_published ON client_versions (private_client_id) WHERE state = 'published';
CREATE INDEX client_versions_queue ON client_versions (state, submitted_at, id);

-- The approved partners.
CREATE TABLE partners (
    org_id UUID PRIMARY KEY REFERENCES orgs (id),
    -- The private scopes that its clients may request.
    private_scopes JSONB NOT NULL,
    note TEXT,
    -- A user, who may have left. NULL: the command line.
    approved_by UUID,
    approved_at BIGINT NOT NULL
);

-- Users who approve partners and decide on versions.
CREATE TABLE reviewers (
    user_id UUID PRIMARY KEY REFERENCES users (id),
    added_at BIGINT NOT NULL
);

-- A user has just begun to connect a client from its tile, with this browser.
CREATE TABLE connection_starts (
    browser_digest BYTEA NOT NULL,
    client_id UUID NOT NULL REFERENCES clients (id),
    org_id UUID NOT NULL REFERENCES orgs (id),
    user_id UUID NOT NULL REFERENCES users (id),
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (browser_digest, client_id)
);
CREATE INDEX connection_starts_expiry ON connection_starts (expires_at);
