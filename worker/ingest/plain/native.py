"""Stands in where the compiled code is absent; where it is present, Python prefers it to this file.

Without this file, Python would take the folder of the crate for a package and import that.
"""

raise ImportError("no compiled code: `make native` builds it")
