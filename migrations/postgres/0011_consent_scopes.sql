-- What a user agreed to, together: where access is sent, what it can reach, and the scopes.

-- The scopes that the user agreed to for this redirect and this resource, a list. NULL: the consent is older than this
-- column, so nobody knows which scopes were given for this resource, and the user is asked again. A row with scopes and
-- with the resource '' also says that the page named this server as what the app can reach.
ALTER TABLE consents ADD COLUMN scopes JSONB;
