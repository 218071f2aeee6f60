-- What a user decided about staying connected.

-- The client asked for `offline_access` and did not get it, so this code brings no refresh token. NULL: it may bring one.
ALTER TABLE authorization_codes ADD COLUMN without_refresh BOOLEAN;
