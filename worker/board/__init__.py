"""The board: the page that operators and support keep open. It changes nothing."""
