"""Files of tickets come in; a checked table, its splits and a generated desk go out."""
