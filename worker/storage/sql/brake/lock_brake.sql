SELECT coalesce(released_until > clock_timestamp(), false) AS released,
    coalesce(escalate_until > clock_timestamp(), false) AS escalate,
    tripped_at IS NOT NULL AS tripped,
    date_trunc('second', clock_timestamp()) AS second
FROM brake FOR UPDATE
