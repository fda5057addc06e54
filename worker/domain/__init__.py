"""The pure core: from the case of one order to its judgement.

No input or output, no clock, no logging. The rules are those of the marketplace's article for
sellers; the documentation states them as a table.
"""
