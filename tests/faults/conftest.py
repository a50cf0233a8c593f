"""A whole demo to do things to."""

from tests.support.demo import demo, make_demo

__all__ = ["demo", "make_demo"]
