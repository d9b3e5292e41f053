"""Other systems' queue history: read, cleaned and counted, written in one form, loaded as columns.

Each file named after a system reads that system's records; what all share is in `rows`, `report`, `values`,
`sources` and `cleaning`. Nothing here needs numpy.
"""
