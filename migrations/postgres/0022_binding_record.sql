-- Which users bound and sent a secret of a webhook. An origin gets a value only if one user did both.

-- {"bound_by": {origin: [user]}, "sent_by": [user]}: the users who bound each origin, and those who sent the current value.
-- A null is the command line, the server or an unknown user. bound_origins still lists the origins that get the current value,
-- for releases that do not know this column. If the two disagree, such a release wrote the list, and the list counts.
-- NULL: stored by such a release.
ALTER TABLE webhook_variables ADD COLUMN binding_record JSONB;

-- The same for the access tokens of an auth method.
ALTER TABLE auth_methods ADD COLUMN binding_record JSONB;
