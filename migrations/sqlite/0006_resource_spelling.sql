-- How its operator writes the URI of a resource: what `aud` says. NULL: as it stands in `uri`, which is in canonical form.
ALTER TABLE resources ADD COLUMN spelling TEXT;
