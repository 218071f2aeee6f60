-- Names for keys, when they were last used, and limits for application keys. An older server still inserts keys without
-- a name.

ALTER TABLE api_keys ADD COLUMN name TEXT NOT NULL DEFAULT 'API key';
-- NULL: not since it was created.
ALTER TABLE api_keys ADD COLUMN modified_at BIGINT;
-- Rounded down to the minute. NULL: not since this migration.
ALTER TABLE api_keys ADD COLUMN last_used_at BIGINT;
-- A user, who may have left. NULL: the command line, or an older server.
ALTER TABLE api_keys ADD COLUMN created_by UUID;
ALTER TABLE api_keys ADD COLUMN modified_by UUID;
-- The client that created the key with an access token. The key ends when the client is disabled or deleted.
ALTER TABLE api_keys ADD COLUMN client_id UUID REFERENCES clients (id);
-- An organization has one working key of a client at most.
CREATE UNIQUE INDEX api_keys_org_client ON api_keys (org_id, client_id) WHERE client_id IS NOT NULL AND revoked_at IS NULL;
-- For the keys of a client in all organizations, and for the foreign key.
CREATE INDEX api_keys_client ON api_keys (client_id) WHERE client_id IS NOT NULL;

ALTER TABLE application_keys ADD COLUMN name TEXT NOT NULL DEFAULT 'Application key';
ALTER TABLE application_keys ADD COLUMN last_used_at BIGINT;
-- A list of scopes, to which the key is limited. NULL: it may do what the role of its user permits.
ALTER TABLE application_keys ADD COLUMN scopes JSONB;
