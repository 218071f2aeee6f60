-- When the last access token of a family expires, which people are told when they end its access.

-- Lifetimes of access tokens that servers have used, so that a changed setting does not shorten what people are told.
CREATE TABLE access_lifetimes (
    seconds BIGINT PRIMARY KEY,
    -- The last time a server reported that it uses this lifetime.
    last_used_at BIGINT NOT NULL
);

-- Earlier versions did not report theirs; an hour is the default.
INSERT INTO access_lifetimes (seconds, last_used_at)
SELECT 3600, max(rotated_at) FROM families HAVING max(rotated_at) IS NOT NULL;

-- Last, since it locks the table until the transaction ends, and the statement above reads the whole of it.
-- When a repeated response last issued an access token. NULL: not since the refresh token was rotated.
ALTER TABLE families ADD COLUMN reissued_at BIGINT;
