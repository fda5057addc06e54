-- The fence. Every transaction of a lane begins here or in begin_batch.sql. An owner with an older
-- epoch gets no row; a new owner waits for the row until the last transaction has ended.
SELECT sequence, open_deadlines FROM lanes WHERE lane = $1 AND epoch = $2 FOR UPDATE
