"""The commands of ``plazo``: one module each, loaded only when it is called."""
