"""Legacy models beside the bundle that answers, on leftover capacity: how often they differ."""
