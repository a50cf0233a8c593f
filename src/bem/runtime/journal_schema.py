"""The station's journal as seen from outside: who may read it needs only this.

One SQLite file (WAL) per station, written by the station alone and read by the agent. ``run`` rows
are experiments; ``sample`` and ``event`` rows carry ``seq`` 0, 1, 2, … per run. Instants are UTC
text with microseconds (RFC 3339).
"""

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    experiment  TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    program     TEXT NOT NULL,
    channels    TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    ended_at    TEXT,
    outcome     TEXT,
    acked_samples INTEGER NOT NULL DEFAULT 0,
    acked_events  INTEGER NOT NULL DEFAULT 0,
    battery         TEXT NOT NULL DEFAULT '',
    limits          TEXT NOT NULL DEFAULT '[]',
    on_interruption TEXT NOT NULL DEFAULT 'end'
) STRICT;
CREATE TABLE IF NOT EXISTS sample (
    experiment TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    elapsed_us INTEGER NOT NULL,
    step       INTEGER NOT NULL,
    cycle      INTEGER NOT NULL,
    voltage    REAL NOT NULL,
    current    REAL NOT NULL,
    power      REAL NOT NULL,
    charge_in  REAL NOT NULL,
    charge_out REAL NOT NULL,
    energy_in  REAL NOT NULL,
    energy_out REAL NOT NULL,
    extra      TEXT NOT NULL,
    PRIMARY KEY (experiment, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    experiment TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    elapsed_us INTEGER NOT NULL,
    at         TEXT NOT NULL,
    kind       TEXT NOT NULL,
    severity   TEXT NOT NULL,
    message    TEXT NOT NULL,
    data       TEXT NOT NULL,
    PRIMARY KEY (experiment, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS command (
    id       TEXT PRIMARY KEY,
    received_at TEXT NOT NULL,
    reply    TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS latch (
    only   INTEGER PRIMARY KEY CHECK (only = 1),
    reason TEXT NOT NULL,
    at     TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS lock (
    only   INTEGER PRIMARY KEY CHECK (only = 1),
    holder TEXT NOT NULL,
    note   TEXT NOT NULL,
    at     TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS progress (
    experiment TEXT PRIMARY KEY,
    state      TEXT NOT NULL,
    elapsed_us INTEGER NOT NULL,
    at         TEXT NOT NULL,
    resumed_us INTEGER,
    stopped    TEXT NOT NULL,
    waits_for  TEXT NOT NULL
) STRICT;
"""
"""``run.channels``: JSON list of {name, unit, title} in the order of the JSON array in ``extra``.
``acked_*``: the server holds every row below. ``limits``: JSON list of the experiment's own limits.
``latch``: a fault that waits for a person. ``lock``: who keeps anything from starting.
``progress``: of each run that has not ended, the engine's state as of its newest reading, written
together with the samples and events that belong to it; ``resumed_us``: when it last went on by
itself after an interruption; ``stopped``: why its station ended in order, empty after a crash;
``waits_for``: what a person is to do before it goes on."""

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE run ADD COLUMN battery TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE run ADD COLUMN limits TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE run ADD COLUMN on_interruption TEXT NOT NULL DEFAULT 'end'",
    ),
}
"""What brings a journal of a version to the next; new tables come from :data:`SCHEMA`."""

SAMPLE_COLUMNS = (
    "elapsed_us",
    "step",
    "cycle",
    "voltage",
    "current",
    "power",
    "charge_in",
    "charge_out",
    "energy_in",
    "energy_out",
)
