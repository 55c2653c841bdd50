"""Balancers: each turns the tasks' losses into one loss whose gradient is taken."""
