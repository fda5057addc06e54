-- A status that was not met since says nothing any more, and its text is a publisher's own.
DELETE FROM unknown_statuses WHERE last_at < $1
