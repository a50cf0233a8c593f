#!/usr/bin/python3
"""Back up the laboratory's database and settings into one file, and put them back.

One backup is one tar file: ``database.sql.zst``, the settings of this machine without secrets,
what the controller sent (inventory and encrypted vault), and ``manifest.json`` with the sum of
each. It gets its name only when it is complete, so a file with the right name is a whole backup.

Only the standard library is used: a restore must work before a release is installed.
"""

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

FORMAT = 1
DATABASE = "database.sql.zst"
MANIFEST = "manifest.json"
MANIFEST_SUM = "manifest.json.sha256"
NAME = re.compile(r"bem-.+-(\d{8}T\d{6}Z)\.tar")
STAMP = "%Y%m%dT%H%M%SZ"
SQL_STRING = re.compile(rb"'(?:[^'\\]|\\.)*'", re.DOTALL)
MIGRATION = re.compile(rb"\(\d+,'([^'\\]+)','([^'\\]+)'")
BLOCK = 1 << 20
ZSTD = "/usr/bin/zstd"


class BackupError(Exception):
    """What went wrong and how to mend it; for the person who reads the journal."""


@dataclass(frozen=True)
class Config:
    """What the role wrote for this machine; no secret is among it."""

    directory: Path
    host: str
    database: str
    account: str
    socket: str
    dump: str
    client: str
    settings_dir: str
    release_link: str
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    min_free_mb: int

    @classmethod
    def read(cls, path: Path) -> "Config":
        """Read the role's JSON file.

        Raises:
            BackupError: the file is missing or is not what this version expects.
        """
        try:
            values: dict[str, Any] = json.loads(path.read_text())
            return cls(**{**values, "directory": Path(values["directory"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BackupError(f"{path} cannot be used ({error}): run site.yml again") from error


@dataclass
class DumpReader:
    """Counts rows and notes migrations in a dump that passes by, line by line.

    What is counted is what was dumped: the counts hold for the same instant as the dump.
    """

    rows: dict[str, int] = field(default_factory=dict)
    migrations: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    _table: str | None = None

    def feed(self, line: bytes) -> None:
        """Take one line of the dump."""
        if line.startswith(b"("):
            # MariaDB writes each row on a line of its own; line ends in values are escaped.
            if self._table is not None:
                self._count(line, 1)
        elif line.startswith(b"INSERT INTO `"):
            table, _, values = line[len(b"INSERT INTO `") :].partition(b"`")
            self._table = table.decode()
            if b"(" in values:
                # MySQL writes many rows on one line. Brackets in values do not count.
                self._count(values, SQL_STRING.sub(b"", values).count(b"("))
        elif line.startswith(b"CREATE TABLE `"):
            self._table = None
            self.rows.setdefault(line.split(b"`")[1].decode(), 0)
        elif line.startswith(b"-- Dump completed"):
            self.complete = True

    def _count(self, text: bytes, number: int) -> None:
        table = self._table or ""
        self.rows[table] = self.rows.get(table, 0) + number
        if table == "django_migrations":
            for app, name in MIGRATION.findall(text):
                key = app.decode()
                self.migrations[key] = max(self.migrations.get(key, ""), name.decode())


def stamp_of(name: str) -> datetime | None:
    """The time in the name of a backup; None if it is not the name of one."""
    match = NAME.fullmatch(name)
    return datetime.strptime(match[1], STAMP).replace(tzinfo=UTC) if match else None


def to_keep(names: Iterable[str], now: datetime, daily: int, weekly: int, monthly: int) -> set[str]:
    """Which backups stay: the newest of each of the last days, weeks and months with a backup.

    All of the last 24 hours stay too, so that the one from before an upgrade is not lost to the
    one of the night. The newest of all always stays.
    """
    dated = sorted(((at, name) for name in names if (at := stamp_of(name))), reverse=True)
    kept = {name for at, name in dated if now - at < timedelta(days=1)}
    kept.update(name for _, name in dated[:1])
    for form, number in (("%Y-%m-%d", daily), ("%G-%V", weekly), ("%Y-%m", monthly)):
        newest: dict[str, str] = {}
        for at, name in dated:
            newest.setdefault(at.strftime(form), name)
        kept.update(list(newest.values())[:number])
    return kept


def backups(directory: Path) -> list[Path]:
    """The whole backups of a folder, oldest first."""
    return sorted(
        (path for path in directory.iterdir() if stamp_of(path.name)),
        key=lambda path: (stamp_of(path.name), path.name),
    )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def write_options(config: Config, password: str) -> Path:
    """Write the clients' option file where only this run can read it.

    A password on a command line or in the environment could be read by others.
    """
    path = Path(os.environ["RUNTIME_DIRECTORY"]) / "client.cnf"
    path.touch(mode=0o600)
    path.write_text(
        "[client]\n"
        f"user={_quoted(config.account)}\n"
        f"password={_quoted(password)}\n"
        f"socket={_quoted(config.socket)}\n"
        "default-character-set=utf8mb4\n"
    )
    return path


def _query(config: Config, options: Path, query: str) -> str:
    answer = subprocess.run(  # noqa: S603 - the client the role names, no shell
        [config.client, f"--defaults-file={options}", "--batch", "--skip-column-names",
         f"--execute={query}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode != 0:
        raise BackupError(
            f"the database does not answer the account {config.account}: {answer.stderr.strip()}"
        )
    return answer.stdout.strip()


def check_space(config: Config, database_bytes: int) -> None:
    """Refuse to begin what would fill the disk.

    Raises:
        BackupError: with what is free, what is needed, and what to do.
    """
    last = backups(config.directory)
    expected = last[-1].stat().st_size * 5 // 4 if last else database_bytes // 3
    needed = expected + config.min_free_mb * BLOCK
    free = shutil.disk_usage(config.directory).free
    if free < needed:
        raise BackupError(
            f"{config.directory} has {free // BLOCK} MB free and the next backup needs about "
            f"{needed // BLOCK} MB ({config.min_free_mb} MB of them stay free, "
            "backup_min_free_mb): make room, keep fewer (backup_keep_daily, backup_keep_weekly, "
            "backup_keep_monthly) or give backup_dir another disk"
        )


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """The pipe that was asked for when the process was started."""
    if stream is None:
        raise BackupError("a process was started without its pipe")
    return stream


def _dump_command(config: Config, options: Path) -> list[str]:
    command = [
        config.dump,
        f"--defaults-file={options}",
        "--single-transaction",
        "--quick",
        "--no-tablespaces",
        "--skip-add-locks",
        "--hex-blob",
        "--triggers",
    ]
    if "mysqldump" in config.dump:
        command += ["--set-gtid-purged=OFF", "--column-statistics=0"]
    return [*command, config.database]


def _dump(config: Config, options: Path, target: IO[bytes]) -> DumpReader:
    """Write the compressed dump at the target's position."""
    reader = DumpReader()
    with (
        subprocess.Popen(  # noqa: S603 - the client the role names, no shell
            _dump_command(config, options), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as dump,
        subprocess.Popen(  # noqa: S603 - no shell, a fixed program
            [ZSTD, "-q", "-3", "-c"], stdin=subprocess.PIPE, stdout=target, stderr=subprocess.PIPE
        ) as zstd,
    ):
        into = _pipe(zstd.stdin)
        try:
            for line in _pipe(dump.stdout):
                reader.feed(line)
                into.write(line)
            into.close()
        except BrokenPipeError:
            # zstd has ended early; it says why.
            dump.terminate()
        said = _pipe(dump.stderr).read().decode(errors="replace").strip()
        compressed = _pipe(zstd.stderr).read().decode(errors="replace").strip()
        if zstd.wait() != 0:
            raise BackupError(f"the backup could not be written: {compressed}")
        if dump.wait() != 0 or not reader.complete:
            raise BackupError(f"{config.dump} did not come to its end: {said}")
    return reader


def _sum(stream: IO[bytes], size: int) -> str:
    digest = hashlib.sha256()
    while size > 0 and (block := stream.read(min(BLOCK, size))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()


def _add_file(archive: IO[bytes], name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o600
    info.mtime = int(datetime.now(UTC).timestamp())
    archive.write(info.tobuf(tarfile.GNU_FORMAT))
    archive.write(data + bytes(-len(data) % tarfile.BLOCKSIZE))


def _files(root: Path, prefix: str, skipped: set[str]) -> Iterator[tuple[str, bytes]]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if name.parts[0] not in skipped and path.is_file() and os.access(path, os.R_OK):
            yield f"{prefix}/{name}", path.read_bytes()


def _write(config: Config, options: Path, path: Path, now: datetime) -> dict[str, Any]:
    link = Path(config.release_link)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "host": config.host,
        "taken": now.isoformat(timespec="seconds"),
        "release": link.resolve().name if link.exists() else "",
        "server": _query(config, options, "SELECT VERSION()"),
        "database": config.database,
    }
    sums: dict[str, dict[str, Any]] = {}
    with path.open("w+b") as archive:
        os.fchmod(archive.fileno(), 0o600)
        # The size of the dump is known only at its end: its header is written twice.
        info = tarfile.TarInfo(DATABASE)
        info.mode = 0o600
        info.mtime = int(now.timestamp())
        archive.write(bytes(tarfile.BLOCKSIZE))
        archive.flush()
        dumped = _dump(config, options, archive)
        end = archive.seek(0, os.SEEK_END)
        info.size = end - tarfile.BLOCKSIZE
        archive.write(bytes(-info.size % tarfile.BLOCKSIZE))
        archive.seek(0)
        archive.write(info.tobuf(tarfile.GNU_FORMAT))
        sums[DATABASE] = {"size": info.size, "sha256": _sum(archive, info.size)}
        archive.seek(0, os.SEEK_END)
        parts = [
            *_files(Path(config.settings_dir), "settings", {"credentials"}),
            *_files(config.directory / "controller", "controller", set()),
        ]
        for name, data in parts:
            _add_file(archive, name, data)
            sums[name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        manifest |= {"migrations": dumped.migrations, "rows": dumped.rows, "files": sums}
        text = json.dumps(manifest, indent=1, sort_keys=True).encode()
        _add_file(archive, MANIFEST, text)
        _add_file(archive, MANIFEST_SUM, hashlib.sha256(text).hexdigest().encode())
        archive.write(bytes(tarfile.BLOCKSIZE * 2))
        archive.flush()
        os.fsync(archive.fileno())
    return manifest


def run(config: Config) -> Path:
    """Make one backup and remove those that retention no longer keeps.

    Raises:
        BackupError: nothing was left behind and no older backup was removed.
    """
    for left in config.directory.glob(".partial-*"):
        left.unlink()
    password = (Path(os.environ["CREDENTIALS_DIRECTORY"]) / "database_password").read_text()
    options = write_options(config, password.removesuffix("\n"))
    # The account sees the tables of this one database only.
    size = _query(
        config, options,
        "SELECT COALESCE(SUM(data_length), 0) FROM information_schema.tables "
        "WHERE table_schema NOT IN ('information_schema', 'performance_schema')",
    )  # fmt: skip
    check_space(config, int(float(size)))
    now = datetime.now(UTC)
    path = config.directory / f"bem-{config.host}-{now.strftime(STAMP)}.tar"
    partial = config.directory / f".partial-{path.name}"
    try:
        manifest = _write(config, options, partial, now)
        check(partial)
        partial.rename(path)
    except OSError as error:
        raise BackupError(
            f"{partial} could not be written ({error.strerror}): look at the disk of "
            f"{config.directory}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(config.directory, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    seconds = (datetime.now(UTC) - now).total_seconds()
    _say(
        f"{path}: {sum(manifest['rows'].values())} rows of {len(manifest['rows'])} tables, "
        f"{path.stat().st_size / BLOCK:.1f} MB, {seconds:.1f} s"
    )
    names = {old.name for old in backups(config.directory)}
    kept = to_keep(names, now, config.keep_daily, config.keep_weekly, config.keep_monthly)
    for name in sorted(names - kept):
        (config.directory / name).unlink()
        _say(f"{name}: removed, retention keeps {len(kept)} others")
    return path


def check(path: Path) -> dict[str, Any]:
    """Compare everything in a backup with its sums, and return its manifest.

    Raises:
        BackupError: the file is no backup, is cut short, or was changed.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            members = {member.name: member for member in archive}
            if not {MANIFEST, MANIFEST_SUM, DATABASE} <= members.keys():
                raise BackupError(f"{path} is cut short or is no backup: take another one")

            def content(name: str) -> IO[bytes]:
                return archive.extractfile(members[name]) or io.BytesIO()

            text = content(MANIFEST).read()
            if hashlib.sha256(text).hexdigest().encode() != content(MANIFEST_SUM).read():
                raise BackupError(f"{path}: {MANIFEST} was changed or damaged: take another one")
            manifest: dict[str, Any] = json.loads(text)
            if manifest["format"] > FORMAT:
                raise BackupError(
                    f"{path} was made by a newer version, {manifest['release']}: install that first"
                )
            for name, expected in manifest["files"].items():
                if _sum(content(name), expected["size"]) != expected["sha256"]:
                    raise BackupError(f"{path}: {name} was changed or damaged: take another one")
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise BackupError(f"{path} cannot be read as a backup: {error}") from error
    return manifest


def load(config: Config, path: Path) -> None:
    """Replace the database by the one of a backup; called by root, who needs no password.

    Raises:
        BackupError: the database is then incomplete; run it again.
    """
    manifest = check(path)
    client = [config.client, "--no-defaults", f"--socket={config.socket}", "--user=root",
              "--default-character-set=utf8mb4"]  # fmt: skip
    name = f"`{config.database}`"
    fresh = (
        f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} "
        "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
    )
    made = subprocess.run(  # noqa: S603 - the client the role names, no shell
        [*client, f"--execute={fresh}"], capture_output=True, check=False
    )
    if made.returncode != 0:
        raise BackupError(f"the database cannot be made anew: {made.stderr.decode().strip()}")
    with path.open("rb") as archive:
        archive.seek(tarfile.BLOCKSIZE)
        with (
            subprocess.Popen(  # noqa: S603 - no shell, a fixed program
                [ZSTD, "-q", "-d", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as zstd,
            subprocess.Popen(  # noqa: S603 - the client the role names, no shell
                [*client, config.database], stdin=subprocess.PIPE, stderr=subprocess.PIPE
            ) as server,
        ):
            size = manifest["files"][DATABASE]["size"]
            feeder = threading.Thread(target=_feed, args=(archive, _pipe(zstd.stdin), size))
            feeder.start()
            into = _pipe(server.stdin)
            try:
                for line in _pipe(zstd.stdout):
                    # A line that only MariaDB's client knows; MySQL's stumbles over it.
                    if not line.startswith(b"/*M!999999"):
                        into.write(line)
                into.close()
            except BrokenPipeError:
                # The client has ended early; it says why.
                zstd.terminate()
            said = _pipe(server.stderr).read().decode(errors="replace").strip()
            feeder.join()
            if server.wait() != 0 or zstd.wait() != 0:
                raise BackupError(f"the database did not take the backup: {said}")
    for table, rows in manifest["rows"].items():
        counted = subprocess.run(  # noqa: S603 - the client the role names, no shell
            [*client, "--batch", "--skip-column-names",
             f"--execute=SELECT COUNT(*) FROM `{table}`", config.database],  # noqa: S608 - own name
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if counted.stdout.strip() != str(rows):
            raise BackupError(
                f"the table {table} has {counted.stdout.strip() or 'no'} rows after the restore, "
                f"the backup has {rows}: {counted.stderr.strip()}"
            )
    _say(f"{sum(manifest['rows'].values())} rows of {len(manifest['rows'])} tables put back")


def _feed(archive: IO[bytes], pipe: IO[bytes], size: int) -> None:
    """Hand the compressed dump over while its other end is being read."""
    try:
        while size > 0 and (block := archive.read(min(BLOCK, size))):
            pipe.write(block)
            size -= len(block)
        pipe.close()
    except BrokenPipeError:
        # The reader has ended early; who waits for it sees its exit code.
        return


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it is done, 1 with a message when it is not."""
    parser = argparse.ArgumentParser(prog="bem-backup", description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("/etc/bem/backup.json"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="make a backup (systemctl start bem-backup does this)")
    commands.add_parser("list", help="list the backups of this machine")
    for command, text in (
        ("check", "compare a backup with its sums and print its manifest"),
        ("load", "replace the database by the one of a backup (root)"),
    ):
        commands.add_parser(command, help=text).add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    try:
        if given.command == "check":
            _say(json.dumps(check(given.file), indent=1))
        elif given.command == "list":
            for path in backups(Config.read(given.config).directory):
                _say(f"{path}\t{path.stat().st_size / BLOCK:.1f} MB")
        elif given.command == "load":
            load(Config.read(given.config), given.file)
        else:
            run(Config.read(given.config))
    except (BackupError, OSError) as error:
        sys.stderr.write(f"bem-backup: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
