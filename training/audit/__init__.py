"""The audit of a table of tickets: what would leak a label, before anything is trained."""
