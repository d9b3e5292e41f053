"""Where records and blobs are kept: one contract, several implementations."""
