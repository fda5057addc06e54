-- Gives orders another deadline. That of an order on hold is the end of the longest hold.
WITH moved AS (
    SELECT * FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[],
        $6::boolean[]) AS m (order_id, due, fires_at, fired_at, held)
), updated AS (
    UPDATE orders AS o
    SET first_due = coalesce(o.first_due, o.due), grace = coalesce(o.grace, o.fires_at - o.due),
        due = m.due, fires_at = m.fires_at, held = m.held
    FROM moved m WHERE o.order_id = m.order_id AND o.lane = $1
), disarmed AS (
    DELETE FROM deadlines d USING moved m
    WHERE d.lane = $1 AND d.fires_at = m.fired_at AND d.order_id = m.order_id
        AND m.fired_at <> m.fires_at
    RETURNING 1
), armed AS (
    INSERT INTO deadlines (lane, fires_at, order_id)
    SELECT $1::int, fires_at, order_id FROM moved
    ON CONFLICT DO NOTHING
    RETURNING fires_at
)
SELECT (SELECT count(*) FROM disarmed) AS disarmed, count(*) AS armed,
    min(fires_at) AS first_fires_at
FROM armed
