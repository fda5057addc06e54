-- Its number and not its time gives the order: clocks may be set.
SELECT at, author, command, arguments::text AS arguments, count(*) OVER () AS matching FROM actions
WHERE at >= clock_timestamp() - $1::interval
ORDER BY id DESC LIMIT $2
