-- Where secrets of webhooks may be sent, so that nobody reads one by pointing a webhook at a server of their own.

-- Origins of the webhooks that may use it, a list. NULL: stored by a release that bound no secrets; the next start binds it
-- to the origins that use it. Variables that are not secret are not bound.
ALTER TABLE webhook_variables ADD COLUMN bound_origins TEXT;
-- Until then, one more origin may be bound. NULL: not any more.
ALTER TABLE webhook_variables ADD COLUMN open_until INTEGER;
-- The user who gave the secret. Only this user may bind that origin. NULL: the command line or the server.
ALTER TABLE webhook_variables ADD COLUMN open_to BLOB;

-- The same for the access tokens of an auth method.
ALTER TABLE auth_methods ADD COLUMN bound_origins TEXT;
ALTER TABLE auth_methods ADD COLUMN open_until INTEGER;
ALTER TABLE auth_methods ADD COLUMN open_to BLOB;
