"""What the tests stand on: real parts, processes to hurt, and ways to wait."""
