-- When this server made the present password. NULL: the person chose it. A password that was made here was printed or sent
-- somewhere, so it has to be replaced at the next sign-in.
ALTER TABLE users ADD COLUMN password_made_at BIGINT;

-- Browsers in which an account has signed in: failed attempts from elsewhere do not slow down sign-ins from them.
CREATE TABLE known_browsers (
    -- SHA-256 of the cookie. Several accounts may sign in with one browser.
    digest BYTEA NOT NULL,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The last time. The row is ignored, and deleted, half a year later.
    signed_in_at BIGINT NOT NULL,
    PRIMARY KEY (digest, user_id)
);
CREATE INDEX known_browsers_user ON known_browsers (user_id);
CREATE INDEX known_browsers_signed_in ON known_browsers (signed_in_at);

-- Failed sign-in attempts, by account and hour.
CREATE TABLE sign_in_failures (
    -- Of the user; the nil UUID for all addresses that no account has. No reference: the row outlives the account.
    account_id UUID NOT NULL,
    -- When the hour began.
    hour BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When the attempts were written to the audit trail. NULL: not yet.
    audited_at BIGINT,
    PRIMARY KEY (account_id, hour)
);
CREATE INDEX sign_in_failures_hour ON sign_in_failures (hour);
