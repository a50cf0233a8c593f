"""The master-node manager: the only one that decides what runs, and that takes data in."""
