-- Who changed what, before and after. Rows are only ever added.

CREATE TABLE audit_events (
    id BLOB PRIMARY KEY,
    -- NULL: the server's own operator, outside every organisation.
    org_id BLOB REFERENCES orgs (id),
    at INTEGER NOT NULL,
    -- `user:<id>` with the key it used, or `command_line`.
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT,
    after TEXT,
    request_id TEXT,
    address TEXT
) STRICT;
CREATE INDEX audit_events_org ON audit_events (org_id, id);
