-- Whether the slowest of several refreshes at once may be told from a thief.

-- When the token before the current one was made.
ALTER TABLE families ADD COLUMN previous_rotated_at INTEGER;
