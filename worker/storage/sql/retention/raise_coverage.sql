-- Evidence before $2 is no longer complete. An order of that time that is published again escalates,
-- because the acts that would have kept it may be deleted.
UPDATE positions SET covered_since = greatest(covered_since, $2) WHERE topic = $1
