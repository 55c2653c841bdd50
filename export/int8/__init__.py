"""A bundle and labelled tickets come in; the bundle with a variant in whole numbers goes out."""
