-- The privileges of all roles but the owner on the tables. Run this file as plazo_owner after
-- each `plazo migrate`. You may run it repeatedly.
BEGIN;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM plazo_worker, plazo_reader,
    plazo_auditor, plazo_eraser, plazo_keeper;
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
-- A dead letter can be marked, but its bytes cannot be changed.
GRANT SELECT, INSERT ON dead_letters TO plazo_worker;
GRANT UPDATE (published, settled, settled_by, settled_at, astray) ON dead_letters TO plazo_worker;
GRANT SELECT ON alembic_version TO plazo_worker, plazo_reader, plazo_auditor, plazo_eraser,
    plazo_keeper;
GRANT SELECT ON lanes, published, positions, orders, decisions, deadlines, notices, shields,
    policies, brake, brake_counts, seller_days, installation, outages,
    reminders, strays, traces, actions, order_versions, unknown_statuses
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
COMMIT;
