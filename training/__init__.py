"""Learns a checkpoint from a desk's own tickets: tables come in, a calibrated multi-task model
goes out.
"""
