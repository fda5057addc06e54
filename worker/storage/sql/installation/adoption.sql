SELECT adopted_at,
    (SELECT coalesce(sum(before_adoption), 0)::bigint FROM lanes) AS orders_before_adoption
FROM installation
