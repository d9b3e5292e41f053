"""Who gives machines: one file per provider, none knows another."""
