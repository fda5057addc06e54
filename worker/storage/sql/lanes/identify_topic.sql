UPDATE positions SET topic_id = $3 WHERE topic = $1 AND partition = $2 AND topic_id IS NULL
