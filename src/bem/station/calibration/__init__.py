"""A calibration check carried out: device and reference meter, from the first point to the report.

What to take and what to make of it is in :mod:`bem.domain.calibration`.
"""
