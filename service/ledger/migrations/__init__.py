"""The ledger's schema, step by step; `service.ledger.migrate` runs the steps."""
