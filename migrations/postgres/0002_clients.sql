-- OAuth clients, and what each organisation decided about them.

CREATE TABLE clients (
    id UUID PRIMARY KEY,
    -- SHA-256 of the canonical form of the metadata: two metadata never share a client.
    digest BYTEA NOT NULL,
    client_name TEXT NOT NULL,
    -- The registered RFC 7591 members, as they were answered.
    metadata JSONB NOT NULL,
    registered_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    registrations BIGINT NOT NULL,
    -- When some organisation first restricted or authorised it: such a client is never forgotten.
    adopted_at BIGINT
);
-- Finds what may be forgotten; adopted clients leave it.
CREATE INDEX clients_forgettable ON clients (last_seen_at) WHERE adopted_at IS NULL;

-- The row that every decision of one organisation about one client begins with, so that two decisions cannot overlap.
CREATE TABLE org_clients (
    org_id UUID NOT NULL REFERENCES orgs (id),
    client_id UUID NOT NULL REFERENCES clients (id),
    changed_at BIGINT NOT NULL,
    -- NULL: no restriction. Two lists: exactly these, and [] is nothing at all.
    scopes_restriction JSONB,
    PRIMARY KEY (org_id, client_id)
);
CREATE INDEX org_clients_client ON org_clients (client_id);
