-- A heartbeat. A gap of more than $1 since the last one is recorded as an outage.
WITH last AS (
    SELECT alive_at FROM installation FOR UPDATE
), outage AS (
    INSERT INTO outages (began, ended)
    SELECT alive_at, statement_timestamp() FROM last
    WHERE statement_timestamp() - alive_at > $1::interval
    ON CONFLICT DO NOTHING
    RETURNING began, ended
), heartbeat AS (
    UPDATE installation SET alive_at = statement_timestamp()
)
SELECT began, ended FROM outage
