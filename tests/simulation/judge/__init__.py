"""The judge: holds what stands in the logs and tables against what was published.

Nothing of the worker is imported, but for the guards that lateness.py looks at. What an order may
come to is the business of tests/end_to_end/oracle.py.
"""
