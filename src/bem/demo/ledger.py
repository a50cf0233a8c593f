"""Compare what was recorded with what the simulated converter says it was asked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

Pair = tuple[int, int]
"""A reading in mV and mA, as the converter sends it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How samples and answers fit. All is well when the last three are 0.

    ``recorded``: samples that are answers, each in its turn. ``lost``: answers between the first
    and the last of those that no sample tells of. ``doubled``: samples that repeat the answer of
    the sample beside them. ``invented``: samples that are no answer at all.
    """

    recorded: int
    lost: int
    doubled: int
    invented: int

    @property
    def exact(self) -> bool:
        """Whether the samples are the answers, no more and no less."""
        return self.recorded > 0 and not (self.lost or self.doubled or self.invented)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a converter was asked and did, oldest first."""

    entries: tuple[dict[str, object], ...]

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        """Read a ledger as far as it has been written."""
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        return cls(tuple(json.loads(line) for line in whole.splitlines()))

    def answers(self) -> list[Pair]:
        """The readings that it gave when it was asked."""
        return [
            (_integer(entry["ls_mv"]), _integer(entry["ls_ma"]))
            for entry in self.entries
            if entry["kind"] == "answer"
        ]

    def output_on(self) -> bool:
        """Whether its output was on at last."""
        switched = [entry for entry in self.entries if entry["kind"] == "output"]
        return bool(switched and switched[-1]["on"])


def pair(voltage: float, current: float) -> Pair:
    """Turn V and A back into what the converter sent."""
    return round(voltage * 1000), round(current * 1000)


def compare(samples: Sequence[Pair], answers: Sequence[Pair]) -> Comparison:
    """Lay both beside each other. Every answer is expected to be a sample: all is recorded."""
    blocks = SequenceMatcher(None, answers, samples, autojunk=False).get_matching_blocks()
    matched = [block for block in blocks if block.size]
    recorded = sum(block.size for block in matched)
    told = {block.b + index for block in matched for index in range(block.size)}
    rest = [index for index in range(len(samples)) if index not in told]
    doubled = sum(samples[index] in _neighbours(samples, index) for index in rest)
    spanned = matched[-1].a + matched[-1].size - matched[0].a if matched else 0
    return Comparison(recorded, spanned - recorded, doubled, len(rest) - doubled)


def _neighbours(samples: Sequence[Pair], index: int) -> Sequence[Pair]:
    return [*samples[max(index - 1, 0) : index], *samples[index + 1 : index + 2]]


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} in a ledger is no integer")
    return value
