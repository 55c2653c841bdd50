"""Between an HTTP front and the core: what crosses, how, and who waits for it."""
