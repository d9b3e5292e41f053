"""What things are: frozen records and state tables. No I/O, no clock, no chance."""
