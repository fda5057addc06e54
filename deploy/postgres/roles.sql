-- One role for each purpose, each with the least privileges that it needs:
--   plazo_owner    runs `plazo migrate` and owns the tables.
--   plazo_worker   runs `plazo run` and `plazo dead-letters`. It writes rows, but cannot change an
--                  act or a verdict afterwards, and cannot alter a table.
--   plazo_reader   runs `plazo explain`, `orders`, `decisions` and `outlook`. It reads everything
--                  except the bodies of records, accepted or refused.
--   plazo_auditor  runs `plazo export`, and `explain --with-personal-data`. It reads everything.
--   plazo_eraser   runs `plazo erase`. It reads everything, and removes bodies, names and free texts.
--   plazo_keeper   runs `plazo forget`. It removes orders with all their rows and adds none. Postgres
--                  refuses it what is not decided or not settled.
--   plazo_operator runs `plazo brake`, `dead-letters`, `deadlines`, `policy` and `check`. It settles
--                  what waits for a person. It reads the bytes of refused records, to publish them
--                  again, and no body of any other record. It cannot be a worker.
-- Run this file with psql as a superuser in Plazo's own database, before the first migration. Then
-- set the passwords (ALTER ROLE … PASSWORD) or certificates yourself. You may run it repeatedly.
-- After each migration run grants.sql.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['plazo_owner', 'plazo_worker', 'plazo_reader', 'plazo_auditor',
            'plazo_eraser', 'plazo_keeper'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        END IF;
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO plazo_owner, plazo_worker, plazo_reader, plazo_auditor, '
        'plazo_eraser, plazo_keeper',
        current_database());
END $$;

-- The operator, and limits for people: no forgotten query holds a snapshot, and so vacuum, for long.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'plazo_operator') THEN
        CREATE ROLE plazo_operator LOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO plazo_operator', current_database());
END $$;
ALTER ROLE plazo_reader SET statement_timeout = '60s';
ALTER ROLE plazo_reader SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE plazo_reader CONNECTION LIMIT 20;
ALTER ROLE plazo_operator SET statement_timeout = '5min';
ALTER ROLE plazo_operator SET idle_in_transaction_session_timeout = '60s';

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO plazo_owner;
GRANT USAGE ON SCHEMA public TO plazo_worker, plazo_reader, plazo_auditor, plazo_eraser,
    plazo_keeper, plazo_operator;
-- A cell with a schema of its own (PLAZO_DATABASE_SCHEMA) needs, instead of these three:
--   CREATE SCHEMA cell_a AUTHORIZATION plazo_owner;
