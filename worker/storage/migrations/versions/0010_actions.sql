-- Who did what by command, such as releasing the brake: rows that are only ever added. What a command
-- changed shows its last author alone; this tells those before as well.
CREATE TABLE actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    author text NOT NULL,
    command text NOT NULL,
    arguments jsonb NOT NULL
)
