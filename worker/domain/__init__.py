"""The pure core: what is known of one order, and what follows from it.

No input or output, no clock, no logging. The rules are those of the marketplace's article for
sellers; README.md, "The rule", states them as a table.
"""
