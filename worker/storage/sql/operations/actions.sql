-- Ordered by number, not by time: a clock may be set back.
SELECT at, author, command, arguments::text AS arguments, count(*) OVER () AS matching FROM actions
WHERE at >= clock_timestamp() - $1::interval
ORDER BY id DESC LIMIT $2
