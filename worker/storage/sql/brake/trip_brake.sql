-- The limits were exceeded: the brake holds everything until a person resets it.
UPDATE brake SET tripped_at = statement_timestamp() WHERE tripped_at IS NULL
