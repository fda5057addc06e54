-- The privileges of all roles but the owner on the tables of one schema: the first of search_path. Run
-- this file as plazo_owner after each `plazo migrate`; `plazo migrate --grants` runs it in the schema
-- of PLAZO_DATABASE_SCHEMA. You may run it repeatedly.
BEGIN;
DO $$
DECLARE
    cell text := current_schema();
    roles text := 'plazo_worker, plazo_reader, plazo_auditor, plazo_eraser, plazo_keeper, plazo_operator';
BEGIN
    -- For the functions below, which keep it: nobody may slip them a table of another schema.
    PERFORM set_config('search_path', format('%I, pg_temp', cell), true);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %s', cell, roles);
    -- The owner of `public` is another; roles.sql opens that one.
    IF pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = cell), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', cell, roles);
    END IF;
END $$;
-- Positions and fencing epochs advance; their rows are never deleted.
GRANT SELECT, INSERT, UPDATE ON lanes, published, positions, orders TO plazo_worker;
-- Append-only: acts, decisions and the records of what was done.
GRANT SELECT, INSERT ON acts, decisions, policies, traces, actions, order_versions TO plazo_worker;
-- Statuses that no table knows are counted.
GRANT SELECT, INSERT, UPDATE ON unknown_statuses TO plazo_worker;
-- The brake's counts expire; `plazo brake` sets its row.
GRANT SELECT, INSERT, DELETE ON brake_counts TO plazo_worker;
GRANT SELECT, UPDATE ON brake TO plazo_worker;
GRANT SELECT ON seller_days TO plazo_worker;
GRANT SELECT, INSERT ON installation, outages TO plazo_worker;
-- `elsewhere`, and `strays` below, are for the version before this one, which may run beside it.
GRANT UPDATE (alive_at, elsewhere, adopted_at) ON installation TO plazo_worker;
GRANT SELECT, INSERT ON deadline_changes TO plazo_worker;
GRANT UPDATE (counted) ON deadline_changes TO plazo_worker;
-- Work in progress, deleted when it is done.
GRANT SELECT, INSERT, UPDATE, DELETE ON deadlines, reminders, notices, strays, shields
    TO plazo_worker;
-- Each worker writes the row that says it lives, and deletes it when it stops.
GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO plazo_worker;
-- A dead letter can be marked, but its bytes cannot be changed.
GRANT SELECT, INSERT ON dead_letters TO plazo_worker;
GRANT UPDATE (published, settled, settled_by, settled_at, astray) ON dead_letters TO plazo_worker;
GRANT SELECT ON alembic_version TO plazo_worker, plazo_reader, plazo_auditor, plazo_eraser,
    plazo_keeper;
GRANT SELECT ON lanes, published, positions, orders, decisions, deadlines, notices, shields,
    policies, brake, brake_counts, seller_days, installation, outages,
    reminders, strays, traces, actions, order_versions, unknown_statuses, workers
    TO plazo_reader, plazo_auditor, plazo_eraser, plazo_keeper;
-- Of records, everything but the body.
GRANT SELECT (order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok,
    form_complete, unknown) ON acts TO plazo_reader, plazo_keeper;
GRANT SELECT (order_id, kind, occurred_at, received_at, due, author, reason, topic, partition,
    "offset", counted) ON deadline_changes TO plazo_reader, plazo_keeper;
GRANT SELECT ON acts, deadline_changes, dead_letters TO plazo_auditor, plazo_eraser;
-- `plazo export` and `plazo erase` record their author; the eraser changes nothing but these columns.
GRANT INSERT ON actions TO plazo_auditor, plazo_eraser;
GRANT UPDATE (body) ON acts TO plazo_eraser;
GRANT UPDATE (author, reason, body) ON deadline_changes TO plazo_eraser;
GRANT UPDATE (key, value, header_names, header_values) ON dead_letters TO plazo_eraser;
GRANT SELECT (id, lane, topic, partition, "offset", timestamp, received_at, error, message, key,
    published, settled, settled_by, settled_at, astray) ON dead_letters TO plazo_reader;
-- `plazo forget` deletes old settled orders, and records since when the evidence is complete.
GRANT DELETE ON orders, order_versions, acts, decisions, deadline_changes, dead_letters, traces,
    unknown_statuses TO plazo_keeper;
GRANT INSERT ON actions TO plazo_keeper;
GRANT UPDATE (decided_at) ON orders TO plazo_keeper;  -- only to lock the rows
GRANT UPDATE (covered_since) ON positions TO plazo_keeper;
GRANT SELECT (id, published, settled_at) ON dead_letters TO plazo_keeper;

-- The keeper deletes only what is over, whatever its statements say: an order without its verdict, its
-- evidence, or a refused record that nobody has settled stays. Only a DELETE by the keeper looks here.
CREATE OR REPLACE FUNCTION plazo_refuse_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'plazo_keeper' THEN
        RETURN OLD;
    END IF;
    IF TG_TABLE_NAME = 'dead_letters' THEN
        IF (to_jsonb(OLD) ->> 'settled_at') IS NULL THEN
            RAISE insufficient_privilege USING MESSAGE = 'a dead letter that is not settled stays';
        END IF;
    ELSIF EXISTS (
        SELECT FROM orders o WHERE o.order_id = to_jsonb(OLD) ->> 'order_id'
            AND o.due IS NOT NULL AND o.decided_at IS NULL
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = 'an order without its verdict stays';
    END IF;
    RETURN OLD;
END $$;
DO $$
DECLARE
    kept text;
BEGIN
    -- Once: to make it again would wait for the workers' locks, and let them wait.
    FOREACH kept IN ARRAY ARRAY['orders', 'acts', 'decisions', 'dead_letters'] LOOP
        IF NOT EXISTS (SELECT FROM pg_trigger
                WHERE tgrelid = kept::regclass AND tgname = 'plazo_refuse_open') THEN
            EXECUTE format('CREATE TRIGGER plazo_refuse_open BEFORE DELETE ON %I '
                'FOR EACH ROW EXECUTE FUNCTION plazo_refuse_open()', kept);
        END IF;
    END LOOP;
END $$;

-- Which lines of an order were cancelled, for the roles that read no body: `plazo explain`, `outlook` and
-- `policy` judge by it. Of each record it shows SKUs and quantities, and none of a record that it cannot read.
-- As many records as case_lines.sql looks at.
CREATE OR REPLACE FUNCTION plazo_line_items(body text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    found json;
BEGIN
    found := coalesce(body::json -> 'data', body::json) -> 'lines';
    RETURN coalesce((
        SELECT json_build_object('lines', json_agg(
            json_build_object('sku', line -> 'sku', 'quantity', line -> 'quantity') ORDER BY place))
        FROM json_array_elements(found) WITH ORDINALITY AS each (line, place)
        HAVING bool_and(line -> 'sku' IS NOT NULL)
    )::text, '{}');
EXCEPTION WHEN OTHERS THEN
    RETURN '{}';
END $$;
CREATE OR REPLACE FUNCTION plazo_lines(order_ids text[], statuses text[])
RETURNS TABLE (order_id text, status text, occurred_at timestamptz, topic text, partition int,
    "offset" bigint, body text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT a.order_id, a.status, a.occurred_at, a.topic, a.partition, a."offset",
        plazo_line_items(a.body)
    FROM unnest(order_ids) AS named (order_id)
    CROSS JOIN LATERAL (
        SELECT * FROM acts
        WHERE acts.order_id = named.order_id AND acts.status = ANY (statuses)
            AND length(acts.body) < 100000
        ORDER BY acts.occurred_at LIMIT 20
    ) AS a
$$;
REVOKE ALL ON FUNCTION plazo_lines FROM PUBLIC;
GRANT EXECUTE ON FUNCTION plazo_lines TO plazo_reader, plazo_keeper, plazo_operator;

-- The operator settles what waits for a person: the brake's row, refused records and their shields. It
-- writes no order, act, verdict or deadline; holds and extensions go through Kafka, as events.
-- What `plazo brake`, `deadlines`, `policy`, `check`, `lanes`, `orders` and `actions` read.
GRANT SELECT ON alembic_version, lanes, published, positions, orders, order_versions, decisions,
    deadlines, notices, shields, policies, brake, brake_counts, installation, outages, actions,
    unknown_statuses TO plazo_operator;
-- Of records that were accepted, everything but the body.
GRANT SELECT (order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok,
    form_complete, unknown) ON acts TO plazo_operator;
GRANT SELECT (order_id, kind, occurred_at, received_at, due, author, reason, topic, partition,
    "offset", counted) ON deadline_changes TO plazo_operator;
-- Of refused ones the bytes as well: `plazo dead-letters replay` publishes them again.
GRANT SELECT ON dead_letters TO plazo_operator;
GRANT UPDATE ON brake TO plazo_operator;
GRANT UPDATE (settled, settled_by, settled_at, astray) ON dead_letters TO plazo_operator;
GRANT DELETE ON shields TO plazo_operator;
GRANT INSERT ON actions TO plazo_operator;
COMMIT;
