SELECT * FROM seller_days
WHERE day >= ($1::timestamptz AT TIME ZONE 'UTC')::date AND ($2::text IS NULL OR seller_id = $2)
ORDER BY day DESC, seller_id
