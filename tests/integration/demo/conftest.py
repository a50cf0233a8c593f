"""Whole demos to do things to."""

from tests.support.demo import demo, make_demo, module_demo, shared_demo

__all__ = ["demo", "make_demo", "module_demo", "shared_demo"]
