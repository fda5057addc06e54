"""Events go out: from the decisions table to the topic."""
