UPDATE positions SET other_log = $3 WHERE topic = $1 AND partition = $2
