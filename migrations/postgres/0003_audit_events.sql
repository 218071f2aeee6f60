-- Who changed what, before and after. Rows are only ever added.

CREATE TABLE audit_events (
    id UUID PRIMARY KEY,
    -- NULL: the server's own operator, outside every organisation.
    org_id UUID REFERENCES orgs (id),
    at BIGINT NOT NULL,
    -- `user:<id>` with the key it used, or `command_line`.
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    before JSONB,
    after JSONB,
    request_id TEXT,
    address TEXT
);
CREATE INDEX audit_events_org ON audit_events (org_id, id);
