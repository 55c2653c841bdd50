"""How a confidence and a difference are measured: pure functions, one definition for training and
service.
"""
