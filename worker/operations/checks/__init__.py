"""The checks of `plazo check`: pure functions of the facts, so each fault can be tested."""
