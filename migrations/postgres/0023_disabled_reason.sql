-- Why an organization disabled a client, in the words of its administrator. People who try to authorize the client see it.
ALTER TABLE org_clients ADD COLUMN disabled_reason TEXT;
