-- Webhooks: where an organisation's events are sent, how their receivers are spoken to, and what waits to be sent.

-- How to get an access token for a receiver (RFC 6749 section 4.4).
CREATE TABLE auth_methods (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES orgs (id),
    name TEXT NOT NULL,
    access_token_url TEXT NOT NULL,
    client_id TEXT NOT NULL,
    -- Sealed under the key ring; key_id names the key of the ring, here and below.
    client_secret_sealed BYTEA NOT NULL,
    key_id TEXT NOT NULL,
    -- Scheme, host and port of the URL that the secret was given for.
    secret_origin TEXT NOT NULL,
    audience TEXT,
    scope TEXT,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    UNIQUE (org_id, name)
);

CREATE TABLE webhooks (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES orgs (id),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    encode_as TEXT NOT NULL CHECK (encode_as IN ('json', 'form')),
    -- NULL: the body is the event as it is.
    payload TEXT,
    -- Sealed, since people put credentials there. NULL: none.
    custom_headers_sealed BYTEA,
    -- NULL: without an access token.
    auth_method_id UUID REFERENCES auth_methods (id),
    -- NULL: every kind of event.
    event_kinds JSONB,
    signing_secret_sealed BYTEA NOT NULL,
    -- The one before, which signs beside it for a while.
    former_secret_sealed BYTEA,
    former_until BIGINT,
    key_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    UNIQUE (org_id, name)
);
CREATE INDEX webhooks_auth_method ON webhooks (auth_method_id);

-- What payloads and headers of an organisation may name.
CREATE TABLE webhook_variables (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES orgs (id),
    name TEXT NOT NULL,
    is_secret BOOLEAN NOT NULL,
    -- Sealed whether it is secret or not: it may be made so later.
    value_sealed BYTEA NOT NULL,
    key_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    UNIQUE (org_id, name)
);

-- The events of one client for one webhook, which are sent one after the other. One server at a time holds a lane. Nothing
-- refers to the webhook, here and below, so that transactions that tell the same one do not lock its row: what is written
-- while a webhook is deleted is never sent, and swept.
CREATE TABLE delivery_lanes (
    webhook_id UUID NOT NULL,
    -- All zeros: of events that are about no client.
    client_id UUID NOT NULL,
    -- When there is something to do, at the earliest. NULL: nothing waits.
    due_at BIGINT,
    -- Grows with each event, so that whoever empties the lane sees that one was added meanwhile.
    version BIGINT NOT NULL,
    -- Who sends what waits here, and until when nobody else may. NULL: nobody.
    holder UUID,
    leased_until BIGINT,
    PRIMARY KEY (webhook_id, client_id)
);
CREATE INDEX delivery_lanes_due ON delivery_lanes (webhook_id, due_at) WHERE due_at IS NOT NULL;

-- One event for one webhook: written in the transaction of its cause.
CREATE TABLE deliveries (
    -- The order within a lane. No index but that of what waits begins with it, so that none is taken for reading a lane that
    -- would pass all that was delivered.
    position BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    webhook_id UUID NOT NULL,
    client_id UUID NOT NULL,
    event_id UUID NOT NULL,
    kind TEXT NOT NULL,
    -- JSON, passed on as it is.
    data TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    -- Since when it waits: since it was written, or since an operator sent it again.
    waiting_since BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'parked')),
    attempts BIGINT NOT NULL DEFAULT 0,
    -- The last attempt: when, what was answered, and why it failed.
    attempted_at BIGINT,
    status BIGINT,
    failure TEXT,
    -- Delivered or parked.
    finished_at BIGINT,
    PRIMARY KEY (webhook_id, event_id)
);
CREATE INDEX deliveries_waiting ON deliveries (webhook_id, client_id, position) WHERE state = 'waiting';
CREATE INDEX deliveries_parked ON deliveries (webhook_id, event_id) WHERE state = 'parked';
CREATE INDEX deliveries_finished ON deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- Since when a key of the ring seals. Each key is announced once before it is too old.
CREATE TABLE sealing_keys (
    id TEXT PRIMARY KEY,
    first_used_at BIGINT NOT NULL,
    announced_at BIGINT
);
ALTER TABLE signing_keys ADD COLUMN announced_at BIGINT;
