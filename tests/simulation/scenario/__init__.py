"""The input of one run, drawn from its seed: the rules, the records, and the words of fate."""
