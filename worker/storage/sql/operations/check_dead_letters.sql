SELECT error, count(*) AS letters, min(received_at) AS oldest
FROM dead_letters WHERE settled IS NULL GROUP BY error ORDER BY letters DESC, error
