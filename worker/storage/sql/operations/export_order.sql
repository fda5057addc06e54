-- Every row that names an order, as it stands, by its table.
SELECT 'orders' AS name, to_jsonb(t)::text AS row FROM orders t WHERE order_id = $1
UNION ALL
(SELECT 'acts', to_jsonb(t)::text FROM acts t WHERE order_id = $1 LIMIT $2)
UNION ALL
(SELECT 'decisions', to_jsonb(t)::text FROM decisions t WHERE order_id = $1 LIMIT $2)
UNION ALL
SELECT 'deadlines', to_jsonb(t)::text FROM deadlines t
    WHERE order_id = $1 AND (lane, fires_at) IN (SELECT lane, fires_at FROM orders WHERE order_id = $1)
UNION ALL
(SELECT 'deadline_changes', to_jsonb(t)::text FROM deadline_changes t WHERE order_id = $1 LIMIT $2)
UNION ALL
(SELECT 'order_versions', to_jsonb(t)::text FROM order_versions t WHERE order_id = $1 LIMIT $2)
UNION ALL
(SELECT 'reminders', to_jsonb(t)::text FROM reminders t WHERE order_id = $1 LIMIT $2)
UNION ALL
(SELECT 'notices', to_jsonb(t)::text FROM notices t WHERE order_id = $1 LIMIT $2)
UNION ALL
(SELECT 'strays', to_jsonb(t)::text FROM strays t WHERE order_id = $1 LIMIT $2)
UNION ALL
SELECT 'traces', to_jsonb(t)::text FROM traces t WHERE order_id = $1
UNION ALL
(SELECT 'shields', to_jsonb(t)::text FROM shields t WHERE order_id = $1 LIMIT $2)
UNION ALL
(SELECT 'dead_letters', to_jsonb(t)::text FROM dead_letters t
    WHERE key = convert_to($1, 'UTF8') OR id IN (SELECT dead_letter FROM shields WHERE order_id = $1)
    ORDER BY id LIMIT $2)
UNION ALL
SELECT 'policies', to_jsonb(t)::text FROM policies t
    WHERE (name, version) IN (SELECT policy, policy_version FROM orders WHERE order_id = $1)
