"""The station process: one control loop, one power path, one journal.

It needs neither the agent, nor the network, nor the server to run an experiment to its end.
"""
