-- Clients that a member of an organization creates for it. They keep a secret, with which they authenticate.

-- 'registered': it registered itself or publishes a document. 'private': one organization owns it and only that
-- organization can authorize it.
ALTER TABLE clients ADD COLUMN kind TEXT NOT NULL DEFAULT 'registered' CHECK (kind IN ('registered', 'private', 'published'));
ALTER TABLE clients ADD COLUMN owner_org_id BLOB REFERENCES orgs (id);
-- Where users begin to connect the client.
ALTER TABLE clients ADD COLUMN onboarding_url TEXT;
ALTER TABLE clients ADD COLUMN description TEXT;
-- Counts the changes of a private client, from 1.
ALTER TABLE clients ADD COLUMN revision INTEGER;

-- A private client. Every change of it begins with an update of its row, so that two changes cannot overlap.
CREATE TABLE app_pairs (
    private_client_id BLOB PRIMARY KEY REFERENCES clients (id),
    org_id BLOB NOT NULL REFERENCES orgs (id),
    -- A user, who may have left. NULL: the command line.
    created_by BLOB,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    -- The row is kept for the audit trail.
    deleted_at INTEGER
) STRICT;
CREATE INDEX app_pairs_org ON app_pairs (org_id);

-- At most two secrets of a client work at a time: the current one, and the previous one until it expires.
CREATE TABLE client_secrets (
    id BLOB PRIMARY KEY,
    client_id BLOB NOT NULL REFERENCES clients (id),
    -- SHA-256 of the secret.
    digest BLOB NOT NULL UNIQUE,
    last_four TEXT NOT NULL,
    created_by BLOB,
    created_at INTEGER NOT NULL,
    -- When the previous secret stops working. NULL: this is the current one.
    expires_at INTEGER,
    ended_at INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX client_secrets_client ON client_secrets (client_id) WHERE ended_at IS NULL;
