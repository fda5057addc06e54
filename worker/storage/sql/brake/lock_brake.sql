SELECT coalesce(released_until > clock_timestamp(), false) AS released,
    coalesce(escalate_until > clock_timestamp(), false) AS escalate,
    tripped_at IS NOT NULL AS tripped
FROM brake FOR UPDATE
