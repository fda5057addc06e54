-- Policies: the terms that orders were given, as they stood then. A worker before this migration
-- goes on with its own, which have no version.
CREATE TABLE policies (
    name text NOT NULL,
    version int NOT NULL,
    dispute_type text NOT NULL,
    dispute_text text NOT NULL,
    -- The whole of it, for whoever asks later what an order was held to.
    terms text NOT NULL,
    PRIMARY KEY (name, version)
);
ALTER TABLE orders ADD COLUMN policy_version int NOT NULL DEFAULT 0;
