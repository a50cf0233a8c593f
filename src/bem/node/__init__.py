"""The node agent: registers the node, relays commands, keeps stations running, uploads journals.

It controls no power: it may stop and start again at any time while its stations carry on.
"""
