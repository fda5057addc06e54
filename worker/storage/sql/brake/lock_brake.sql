SELECT coalesce(released_until > clock_timestamp(), false) AS released,
    coalesce(escalate_until > clock_timestamp(), false) AS escalate
FROM brake FOR UPDATE
