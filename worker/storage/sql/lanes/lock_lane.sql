-- The fence. Every transaction of a lane begins here, or in begin_batch.sql: whoever holds an older epoch finds it
-- raised, and whoever takes over waits for the row until the last transaction has ended.
SELECT sequence, open_deadlines FROM lanes WHERE lane = $1 AND epoch = $2 FOR UPDATE
