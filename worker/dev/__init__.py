"""Parts for `plazo dev`: everything the worker needs, started from wheels alone."""
