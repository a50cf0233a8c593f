"""A laboratory of real machines on this one: what ``bin/lab`` and the molecule scenarios use.

The machines are Debian systems booted by ``systemd-nspawn`` from a cached root file system, each on
an overlay of its own, on a bridge of their own. Ansible drives them by ssh like any others.
"""
