"""Bills as their providers give them: read as streams, checked row by row, added up exactly, into one form.

Each file named after a form says what its columns mean; what all share is in `columns`, `values`, `charges` and `reading`.
Nothing here looks at a farm: `read` gives what a file says, and hub/costs keeps it.
"""
