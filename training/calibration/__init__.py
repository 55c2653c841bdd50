"""Calibration: logits and labels of the calibration split come in; a scale and a bias per task go
out.
"""
