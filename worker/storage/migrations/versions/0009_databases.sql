-- Lanes in more than one database; where there is one, none of this is ever written.
--
-- "See whether another database is home to this order": written with an act whose order is only a
-- stub here, or has been given up, and taken by the lane that read the act. No key but its number,
-- for the reason that notices have none.
CREATE TABLE strays (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane int NOT NULL,
    order_id text COLLATE "C" NOT NULL
);
CREATE INDEX strays_by_lane ON strays (lane, id);
-- Of a change that came to another database and was copied here, to be weighed with its order: the
-- record itself stands among the acts there.
ALTER TABLE deadline_changes ADD COLUMN body text;
-- The lanes that live in other databases: no worker takes them here.
ALTER TABLE installation ADD COLUMN elsewhere int4multirange NOT NULL DEFAULT '{}';
