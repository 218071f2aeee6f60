-- Webhooks: where an organisation's events are sent, how their receivers are spoken to, and what waits to be sent.

-- How to get an access token for a receiver (RFC 6749 section 4.4).
CREATE TABLE auth_methods (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES orgs (id),
    name TEXT NOT NULL,
    access_token_url TEXT NOT NULL,
    client_id TEXT NOT NULL,
    -- Sealed under the key ring; key_id names the key of the ring, here and below.
    client_secret_sealed BLOB NOT NULL,
    key_id TEXT NOT NULL,
    -- Scheme, host and port of the URL that the secret was given for.
    secret_origin TEXT NOT NULL,
    audience TEXT,
    scope TEXT,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    UNIQUE (org_id, name)
) STRICT;

CREATE TABLE webhooks (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES orgs (id),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    encode_as TEXT NOT NULL CHECK (encode_as IN ('json', 'form')),
    -- NULL: the body is the event as it is.
    payload TEXT,
    -- Sealed, since people put credentials there. NULL: none.
    custom_headers_sealed BLOB,
    -- NULL: without an access token.
    auth_method_id BLOB REFERENCES auth_methods (id),
    -- NULL: every kind of event.
    event_kinds TEXT,
    signing_secret_sealed BLOB NOT NULL,
    -- The one before, which signs beside it for a while.
    former_secret_sealed BLOB,
    former_until INTEGER,
    key_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    UNIQUE (org_id, name)
) STRICT;
CREATE INDEX webhooks_auth_method ON webhooks (auth_method_id);

-- What payloads and headers of an organisation may name.
CREATE TABLE webhook_variables (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES orgs (id),
    name TEXT NOT NULL,
    is_secret INTEGER NOT NULL CHECK (is_secret IN (0, 1)),
    -- Sealed whether it is secret or not: it may be made so later.
    value_sealed BLOB NOT NULL,
    key_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    UNIQUE (org_id, name)
) STRICT;

-- The events of one client for one webhook, which are sent one after the other. One server at a time holds a lane. Nothing
-- refers to the webhook, here and below, so that transactions that tell the same one do not lock its row: what is written
-- while a webhook is deleted is never sent, and swept.
CREATE TABLE delivery_lanes (
    webhook_id BLOB NOT NULL,
    -- All zeros: of events that are about no client.
    client_id BLOB NOT NULL,
    -- When there is something to do, at the earliest. NULL: nothing waits.
    due_at INTEGER,
    -- Grows with each event, so that whoever empties the lane sees that one was added meanwhile.
    version INTEGER NOT NULL,
    -- Who sends what waits here, and until when nobody else may. NULL: nobody.
    holder BLOB,
    leased_until INTEGER,
    PRIMARY KEY (webhook_id, client_id)
) STRICT;
CREATE INDEX delivery_lanes_due ON delivery_lanes (webhook_id, due_at) WHERE due_at IS NOT NULL;

-- One event for one webhook: written in the transaction of its cause.
CREATE TABLE deliveries (
    -- The order within a lane.
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id BLOB NOT NULL,
    client_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    -- JSON, passed on as it is.
    data TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    -- Since when it waits: since it was written, or since an operator sent it again.
    waiting_since INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'parked')),
    attempts INTEGER NOT NULL DEFAULT 0,
    -- The last attempt: when, what was answered, and why it failed.
    attempted_at INTEGER,
    status INTEGER,
    failure TEXT,
    -- Delivered or parked.
    finished_at INTEGER,
    UNIQUE (webhook_id, event_id)
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (webhook_id, client_id, position) WHERE state = 'waiting';
CREATE INDEX deliveries_parked ON deliveries (webhook_id, event_id) WHERE state = 'parked';
CREATE INDEX deliveries_finished ON deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- Since when a key of the ring seals. Each key is announced once before it is too old.
CREATE TABLE sealing_keys (
    id TEXT PRIMARY KEY,
    first_used_at INTEGER NOT NULL,
    announced_at INTEGER
) STRICT;
ALTER TABLE signing_keys ADD COLUMN announced_at INTEGER;
