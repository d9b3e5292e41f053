"""Files that people write, read into frozen rules; every mistake is named by line."""
