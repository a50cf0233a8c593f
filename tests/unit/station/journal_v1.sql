BEGIN TRANSACTION;
CREATE TABLE command (
    id       TEXT PRIMARY KEY,
    received_at TEXT NOT NULL,
    reply    TEXT
) STRICT;
INSERT INTO "command" VALUES('00000000-0000-0000-0000-000000000009','2026-11-01T08:00:00.000000+00:00','{"ok":true,"reason":"","retry":false,"body":{}}');
CREATE TABLE event (
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
INSERT INTO "event" VALUES('00000000-0000-0000-0000-000000000001',0,0,'2026-11-01T08:00:00.000000+00:00','run_started','info','Started p (1 steps)','{"program":"p","steps":1}');
INSERT INTO "event" VALUES('00000000-0000-0000-0000-000000000001',1,0,'2026-11-01T08:00:00.000001+00:00','step_started','info','Step 1 began','{"step":1,"cycle":1,"title":"x"}');
CREATE TABLE latch (
    only   INTEGER PRIMARY KEY CHECK (only = 1),
    reason TEXT NOT NULL,
    at     TEXT NOT NULL
) STRICT;
INSERT INTO "latch" VALUES(1,'voltage 4.3 is above the limit 4.221','2026-11-01T08:00:01.000000+00:00');
CREATE TABLE run (
    experiment  TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    program     TEXT NOT NULL,
    channels    TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    ended_at    TEXT,
    outcome     TEXT,
    acked_samples INTEGER NOT NULL DEFAULT 0,
    acked_events  INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "run" VALUES('00000000-0000-0000-0000-000000000007','formation','{"version": 1, "name": "f"}','[{"name": "temperature_body", "unit": "degC", "title": "Body temperature"}]','2026-10-01T08:00:00.000000+00:00','2026-10-01T09:00:00.000000+00:00','finished',2,2);
INSERT INTO "run" VALUES('00000000-0000-0000-0000-000000000001','a run','{"version": 1, "name": "p"}','[{"name": "temperature_body", "unit": "degC", "title": "Body temperature"}]','2026-11-01T08:00:00.000000+00:00',NULL,NULL,1,1);
CREATE TABLE sample (
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
INSERT INTO "sample" VALUES('00000000-0000-0000-0000-000000000001',0,100000,1,1,3.7,1.0,3.7,0.0,0.0,0.0,0.0,'[25.0]');
INSERT INTO "sample" VALUES('00000000-0000-0000-0000-000000000001',1,200000,1,1,3.71,1.0,3.71,2.77777777777777791089e-05,0.0,1.02778091821947219295e-04,0.0,'[25.0]');
INSERT INTO "sample" VALUES('00000000-0000-0000-0000-000000000001',2,300000,1,1,3.72,1.0,3.72,5.55555555555555582178e-05,0.0,2.05556183643894438591e-04,0.0,'[25.0]');
INSERT INTO "sample" VALUES('00000000-0000-0000-0000-000000000007',0,100000,1,1,3.1,3.00000000000000044408e-01,0.93,0.0,0.0,0.0,0.0,'[null]');
INSERT INTO "sample" VALUES('00000000-0000-0000-0000-000000000007',1,200000,1,1,3.1,3.00000000000000044408e-01,0.93,0.0,0.0,0.0,0.0,'[null]');
COMMIT;
