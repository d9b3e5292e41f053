"""Where records and blobs are kept: SQLite, memory, a folder, an object store. One contract each, in ports.py."""
