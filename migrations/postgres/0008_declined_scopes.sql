-- What a user did not want to give, so that its box is not ticked again.

-- Of what the consent page offered last, or before, a list. NULL: nothing was declined.
ALTER TABLE grants ADD COLUMN declined_scopes JSONB;
