"""The durable record of decisions, legacy answers and the agents' final labels."""
