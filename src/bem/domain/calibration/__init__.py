"""Whether a device measures what a reference meter measures: points, fit, uncertainty, verdict.

Pure: what to set next within limits, and what to make of the readings. Nothing here is written to
a device.
"""
