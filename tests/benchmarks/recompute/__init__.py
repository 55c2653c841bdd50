"""A ledger and its report come in; where a second computation differs goes out."""
