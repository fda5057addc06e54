-- Room for the verdict of each order of a page. The orders of one page fall due together, and a sweep
-- updates them all. With room for a fifth of them only, the others moved to a new page and entered the
-- indexes again: 240 bytes of WAL an order, an eighth of Postgres' CPU time for a verdict, and in the
-- end more disk.
ALTER TABLE orders SET (fillfactor = 50)
