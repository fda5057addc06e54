"""The faults of one run: of clocks, servers, logs, processes, and of the worker's own steps."""
