"""The table: one factor at a time around a reference recipe, beside single-task models."""
