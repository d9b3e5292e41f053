"""`penstock costs`: what was used, what it cost, what it will cost. Each command is in a file of its own."""
