"""What `plazo check` makes of the facts: pure, so each fault can be tested."""
