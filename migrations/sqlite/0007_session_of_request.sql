-- What tells a sign-in that came after a request from the one before it, also within one second.

-- The session that the browser had when the request came. NULL: none. Without a foreign key: a session that has ended is
-- another one than any that lives.
ALTER TABLE authorization_requests ADD COLUMN session_id BLOB;
