-- Says which programs may work on this schema: those that know at least this migration. A migration that only adds leaves
-- the number alone, so that older servers go on during a rolling upgrade. One that removes or renames what older programs
-- read sets it to its own number.
CREATE TABLE schema_compatibility (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    minimum_migration BIGINT NOT NULL
);

INSERT INTO schema_compatibility (id, minimum_migration) VALUES (1, 1);
