"""Drivers and simulators for battery laboratory devices. Works without the rest of the product."""
