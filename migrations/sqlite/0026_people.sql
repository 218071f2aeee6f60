-- When people and their memberships were changed, whether their addresses are verified, and invitations.

-- When the role changed, or the membership ended or was restored. NULL: not since it was created.
ALTER TABLE memberships ADD COLUMN modified_at INTEGER;
-- NULL: not since it was created.
ALTER TABLE users ADD COLUMN modified_at INTEGER;
-- Since when the address counts as verified. NULL: it does not, since the person accepted an invitation link, which proves
-- nothing about the address. 0: an older server added the person.
ALTER TABLE users ADD COLUMN email_verified_at INTEGER DEFAULT 0;
UPDATE users SET email_verified_at = created_at;

-- A person who is invited to an organization. An account is created only when they accept.
CREATE TABLE invitations (
    -- A new account keeps this id.
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES orgs (id),
    -- Lower case, as in users.
    email TEXT NOT NULL,
    name TEXT,
    role TEXT NOT NULL CHECK (role IN ('admin', 'standard', 'read_only')),
    -- SHA-256 of the token in the link. NULL: there is no link that works.
    link_digest BLOB UNIQUE,
    link_expires_at INTEGER,
    -- A user, who may have left. NULL: the command line.
    invited_by BLOB,
    created_at INTEGER NOT NULL,
    accepted_at INTEGER,
    ended_at INTEGER
) STRICT;
-- A person has one open invitation to an organization at most.
CREATE UNIQUE INDEX invitations_open ON invitations (org_id, email) WHERE accepted_at IS NULL AND ended_at IS NULL;
