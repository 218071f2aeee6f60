-- When the membership ended. NULL: the person belongs to the organization. The row stays, since keys and grants refer to it.
ALTER TABLE memberships ADD COLUMN disabled_at INTEGER;
