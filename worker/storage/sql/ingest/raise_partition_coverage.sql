-- Records of this partition came without keys, so that no order is shielded by them: what entered until
-- now may rest on evidence that nobody can read.
UPDATE positions SET covered_since = greatest(covered_since, $3) WHERE topic = $1 AND partition = $2
