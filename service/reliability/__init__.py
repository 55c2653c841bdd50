"""Agents' final labels come back; how far a bundle's confidences and promises hold goes out."""
