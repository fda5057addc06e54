-- A clock starts once: one that runs stays as it is.
WITH started AS (
    UPDATE orders AS o SET due = s.due, fires_at = s.fires_at, policy = s.policy,
        policy_version = s.policy_version, at_lapse = s.at_lapse
    FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::int[], $6::text[])
        AS s (order_id, due, fires_at, policy, policy_version, at_lapse)
    WHERE o.order_id = s.order_id AND o.lane IS NOT NULL AND o.due IS NULL
    RETURNING o.lane, o.fires_at, o.order_id
), armed AS (
    INSERT INTO deadlines (lane, fires_at, order_id) SELECT lane, fires_at, order_id FROM started
    RETURNING fires_at
)
SELECT count(*) AS armed, min(fires_at) AS first_fires_at FROM armed
