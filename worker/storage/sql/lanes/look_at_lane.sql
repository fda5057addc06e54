-- The fence without its lock: a publication changes no row, and need not wait for a sweep.
SELECT sequence FROM lanes WHERE lane = $1 AND epoch = $2 AND owner = $3
