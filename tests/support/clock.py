"""A clock that a test turns."""


class ManualClock:
    """Time (ns, monotonic) that passes only when somebody sleeps or waits."""

    def __init__(self, now_ns: int = 1_000_000_000) -> None:
        self.now_ns = now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)
