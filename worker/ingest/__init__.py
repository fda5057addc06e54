"""Records come in: read, decoded, and applied in one transaction."""
