"""Serves a bundle: tickets come in over HTTP, calibrated labels and decisions go out."""
