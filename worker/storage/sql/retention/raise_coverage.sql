-- What came before is no longer known whole: an order of that time that is published once more
-- escalates, since the acts that would have kept it may be gone.
UPDATE positions SET covered_since = greatest(covered_since, $2) WHERE topic = $1
