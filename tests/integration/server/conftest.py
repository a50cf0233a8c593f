"""The servers of a real laboratory, private to the tests: a MariaDB and a RabbitMQ of their own.

They run from a temporary folder, as the unprivileged users of their Debian packages when the tests
run as root, reachable from this machine only, and are gone afterwards whatever happens.
"""

import contextlib
import grp
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bem.lab.suitability import COLLATION

if TYPE_CHECKING:
    from MySQLdb.connections import Connection
    from tests.integration.manager.conftest import Laboratory
else:
    # pytest gives a folder's helpers to that folder alone.
    _file = Path(__file__).parent.parent / "manager" / "conftest.py"
    _spec = importlib.util.spec_from_file_location("bem_tests_manager_laboratory", _file)
    _module = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_module)
    Laboratory = _module.Laboratory

if "BEM_TEST_DATABASE" not in os.environ:
    # They wake Django with the database of this variable, in a process that test_tables.py starts.
    collect_ignore = ["on_database"]
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The server itself: Debian's wrapper on the PATH would write below /var."""
_START_S = 60.0


def _need(found: object, package: str) -> None:
    if not found:
        pytest.skip(f"needs the Debian package {package}: sudo apt-get install {package}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A server's process and all that it starts, under a user without rights."""

    def __init__(self, user: str, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.account: dict[str, Any] = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam(user)
            shutil.chown(folder, user, grp.getgrgid(entry.pw_gid).gr_name)
            self.account = {"user": user, "group": entry.pw_gid, "extra_groups": []}

    def launch(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.account,
            )

    def await_answer(self, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_S
        while not answers():
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-3000:]
                pytest.fail(f"{self.process.args!r} does not serve:\n{tail}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> None:
        """End the whole group: a shell, a virtual machine and its helpers."""
        if self.process is None:
            return
        group, self.process = self.process, None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group.pid, number)
        try:
            group.wait(30)
        finally:
            # Also what outlives the leader.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group.pid, signal.SIGKILL)
            group.wait()


class MariaDB(Program):
    """A database server on a socket, with a user who owns the databases ``bem…``."""

    def __init__(self, folder: Path) -> None:
        super().__init__("mysql", folder)
        self.socket = folder / "socket"
        self.password = secrets.token_urlsafe(12)
        self._tables: bytes | None = None

    def open(self) -> None:
        """Make its files and start it."""
        made = subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            capture_output=True,
            text=True,
            check=False,
            **self.account,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        self.start()
        self.administer(
            f"CREATE USER bem@localhost IDENTIFIED BY '{self.password}'",
            "GRANT ALL PRIVILEGES ON `bem%`.* TO bem@localhost",
            # Where pytest-django makes its own.
            "GRANT ALL PRIVILEGES ON `test\\_bem%`.* TO bem@localhost",
        )

    def start(self) -> None:
        """Start it, over what an earlier one left, and wait until it answers."""
        self.launch(
            [
                shutil.which("mariadbd", path=_system_path()) or "mariadbd",
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                f"--socket={self.socket}",
                f"--pid-file={self.folder / 'pid'}",
                "--skip-networking",
                # It ends by a signal at worst, never by a power cut: nothing need reach a disk.
                "--debug-no-sync",
                "--innodb-flush-method=nosync",
                "--character-set-server=utf8mb4",
                f"--collation-server={COLLATION}",
            ]
        )
        self.await_answer(self._answers)

    def close(self) -> None:
        """Stop it in order."""
        self.end(signal.SIGTERM)

    @contextlib.contextmanager
    def database(
        self, folder: Path, charset: str = "utf8mb4", collation: str = COLLATION
    ) -> Iterator[dict[str, Any]]:
        """Make an empty database and give its settings; ``folder`` takes the password's file."""
        name = f"bem_{secrets.token_hex(4)}"
        self.administer(f"CREATE DATABASE {name} CHARACTER SET {charset} COLLATE {collation}")
        password_file = folder / "database_password"
        password_file.write_text(self.password)
        try:
            yield {
                "engine": "mysql",
                "name": name,
                "user": "bem",
                "socket": str(self.socket),
                "password_file": str(password_file),
            }
        finally:
            self.administer(f"DROP DATABASE {name}")

    def make_tables(self, database: str, migrate: Callable[[], object]) -> None:
        """Make tables by ``migrate``, or as it made them in another database before."""
        options = ("--no-defaults", f"--socket={self.socket}", "--user=root", database)
        if self._tables is None:
            migrate()
            self._tables = subprocess.run(
                ["mariadb-dump", *options], check=True, stdout=subprocess.PIPE
            ).stdout
        else:
            subprocess.run(["mariadb", *options], check=True, input=self._tables)

    def connect(self, database: str = "") -> "Connection":
        """Connect as the administrator."""
        import MySQLdb

        return MySQLdb.connect(
            unix_socket=str(self.socket), user="root", database=database, charset="utf8mb4"
        )

    def administer(self, *statements: str) -> None:
        with contextlib.closing(self.connect()) as connection:
            for statement in statements:
                connection.query(statement)

    def ask(self, database: str, sql: str, *values: object) -> list[Any]:
        """Ask as anybody would who looks into the database from outside."""
        with contextlib.closing(self.connect(database)) as connection:
            cursor = connection.cursor()
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def _answers(self) -> bool:
        import MySQLdb

        try:
            with contextlib.closing(self.connect()):
                return True
        except MySQLdb.OperationalError:
            return False


class RabbitMQ(Program):
    """A broker that speaks MQTT alone, with a port mapper of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__("rabbitmq", folder)
        self.port = _free_port()
        self.password = secrets.token_urlsafe(12)
        self._mapper_port = _free_port()
        (folder / "rabbitmq.conf").write_text(
            "listeners.tcp = none\n"
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "mqtt.allow_anonymous = false\n"
            "default_user = bem\n"
            f"default_pass = {self.password}\n"
            "log.console = true\n"
            "log.console.level = warning\n"
            "log.file = false\n"
        )
        (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        (folder / "environment").touch()
        self._environment = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": _system_path(),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_DIST_PORT": str(_free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_NODENAME": f"bem-test-{os.getpid()}@localhost",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none"
            ),
        }
        self._mapper = Program("rabbitmq", folder)

    def open(self) -> None:
        """Start it and its port mapper: Erlang would start one that stays for ever."""
        self._mapper.launch(
            [
                shutil.which("epmd", path=_system_path()) or "epmd",
                "-address",
                "127.0.0.1",
                "-port",
                str(self._mapper_port),
            ]
        )
        self._mapper.await_answer(lambda: _accepts(self._mapper_port))
        self.start()

    def start(self) -> None:
        """Start it, over what an earlier one left, and wait until it takes connections."""
        self.launch([str(_RABBITMQ)], self._environment)
        self.await_answer(lambda: _accepts(self.port))

    def control(self, *arguments: str) -> None:
        """Tell it something by its own tool."""
        subprocess.run(
            [str(_RABBITMQ.with_name("rabbitmqctl")), *arguments],
            env=self._environment,
            check=True,
            stdout=subprocess.DEVNULL,
            **self.account,
        )

    def close(self) -> None:
        """End it and its port mapper."""
        try:
            self.end(signal.SIGTERM)
        finally:
            self._mapper.end(signal.SIGTERM)

    def section(self, password_file: Path) -> dict[str, Any]:
        """The settings of it; writes the password's file."""
        password_file.write_text(self.password)
        return {
            "hosts": ["127.0.0.1"],
            "port": self.port,
            "user": "bem",
            "password_file": str(password_file),
            "keepalive_s": 5,
        }


class ServerLaboratory(Laboratory):
    """A laboratory whose records are in MariaDB and whose wire is RabbitMQ."""

    def __init__(
        self, folder: Path, mariadb: MariaDB, rabbitmq: RabbitMQ, database: dict[str, Any]
    ) -> None:
        self.mariadb = mariadb
        self._database = str(database["name"])
        self.rabbitmq = rabbitmq
        super().__init__(folder, database=database, broker=rabbitmq.section(folder / "broker"))

    def make_tables(self) -> None:
        self.mariadb.make_tables(self._database, self._migrate)

    def rows(self, sql: str, *values: object) -> list[Any]:
        return self.mariadb.ask(self._database, sql.replace("?", "%s"), *values)

    def _migrate(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "bem.cli", "migrate"],
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def _system_path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _short_folder(what: str) -> Iterator[Path]:
    # Sockets need a short path; pytest's is too long. Others must get to what is theirs in it.
    folder = Path(tempfile.mkdtemp(prefix=f"bem-{what}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A database server."""
    _need(shutil.which("mariadbd", path=_system_path()), "mariadb-server")
    _need(shutil.which("mariadb-install-db"), "mariadb-server")
    if importlib.util.find_spec("MySQLdb") is None:
        pytest.skip(
            "needs the Python package mysqlclient, which is built with the Debian package "
            "libmariadb-dev: sudo apt-get install libmariadb-dev pkg-config, then bin/test"
        )
    with _short_folder("mariadb") as folder:
        server = MariaDB(folder)
        try:
            server.open()
            yield server
        finally:
            server.close()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A broker that takes MQTT from user ``bem``."""
    _need(_RABBITMQ.is_file(), "rabbitmq-server")
    with _short_folder("rabbitmq") as folder:
        server = RabbitMQ(folder)
        try:
            server.open()
            yield server
        finally:
            server.close()


@pytest.fixture
def laboratory(
    mariadb: MariaDB, rabbitmq: RabbitMQ, wait_until: Callable[..., None]
) -> Iterator[ServerLaboratory]:
    """Make a laboratory with nothing running yet but its servers."""
    with _short_folder("lab") as folder, mariadb.database(folder) as database:
        laboratory = ServerLaboratory(folder, mariadb, rabbitmq, database)
        try:
            yield laboratory
            assert laboratory.errors() == []
        finally:
            laboratory.stop()
