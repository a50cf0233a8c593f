"""Which readings become samples."""

from bem.domain.engine import Reading
from bem.domain.program import RecordRule


def is_due(
    rule: RecordRule | None, last: Reading | None, now: Reading, slack_s: float = 0.0
) -> bool:
    """Whether ``now`` is to be recorded, ``last`` being the newest sample of the same step.

    Without a rule every reading is. With one, the first reading of a step is, and then each that
    differs from the last sample by any of the rule's changes. The last reading of a step is the
    caller's to record: only it knows that the step has ended.

    ``slack_s`` (s, >= 0) is half the time between readings. Readings come a little early or late;
    with it the one nearest to the due time is recorded, so that intervals do not grow by a whole
    reading whenever one is a microsecond early.
    """
    if rule is None or last is None:
        return True
    changes = (
        (rule.every_s, (now.elapsed_us - last.elapsed_us) / 1e6 + slack_s),
        (rule.voltage_change, abs(now.voltage - last.voltage)),
        (rule.current_change, abs(now.current - last.current)),
    )
    return any(bound is not None and change >= bound for bound, change in changes)
