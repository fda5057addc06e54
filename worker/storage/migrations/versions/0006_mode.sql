-- Whether the verdicts here were given in earnest: one row, written by the first worker that starts.
-- A database of rehearsals must never be taken for one of verdicts.
CREATE TABLE installation (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    mode text NOT NULL
);
INSERT INTO installation (mode) SELECT 'live' WHERE EXISTS (SELECT FROM decisions)
