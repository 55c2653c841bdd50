"""The report of a run: a finished run directory comes in, one self-contained HTML page goes out."""
