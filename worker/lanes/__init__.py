"""A lane: its owner, epoch, positions, fence and timers."""
