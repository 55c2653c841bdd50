"""Several processes behind one port: one core, and the fronts that ask it."""
