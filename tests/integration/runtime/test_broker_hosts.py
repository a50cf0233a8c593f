"""A link to several brokers: real ones, at two addresses of this machine, that come and go."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bem.runtime.broker import BrokerLink
from bem.runtime.settings import BrokerSettings

WaitUntil = Callable[..., None]
HOSTS = ("127.0.0.1", "127.0.0.2")
SERVE = """
import asyncio, logging, sys
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig
logging.disable(logging.ERROR)
bind, certificate, key = sys.argv[1:]
tls = {"ssl": True, "certfile": certificate, "keyfile": key} if certificate else {}
config = BrokerConfig(
    listeners={"default": ListenerConfig(bind=bind, **tls)},
    plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
)
async def serve():
    await Broker(config).start()
    await asyncio.Event().wait()
asyncio.run(serve())
"""


class Brokers:
    """One broker for each host, all on the same port."""

    def __init__(self, wait_until: WaitUntil) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._wait_until = wait_until
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, host: str, certificate: str = "", key: str = "") -> None:
        self._processes[host] = subprocess.Popen(
            [sys.executable, "-c", SERVE, f"{host}:{self.port}", certificate, key]
        )
        self._wait_until(lambda: self._accepts(host), f"the broker at {host}", timeout_s=30)

    def kill(self, host: str) -> None:
        process = self._processes.pop(host)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def stop(self) -> None:
        for host in list(self._processes):
            self.kill(host)

    def _accepts(self, host: str) -> bool:
        try:
            socket.create_connection((host, self.port), timeout=1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def brokers(wait_until: WaitUntil) -> Iterator[Brokers]:
    brokers = Brokers(wait_until)
    yield brokers
    brokers.stop()


@pytest.fixture
def link_to(brokers: Brokers) -> Iterator[Callable[..., BrokerLink]]:
    made: list[BrokerLink] = []

    def link(*hosts: str, ca_file: Path | None = None) -> BrokerLink:
        link = BrokerLink(
            BrokerSettings(hosts=hosts, port=brokers.port, ca_file=ca_file, keepalive_s=5),
            client_id="test",
            subscriptions=["bem/#"],
            on_message=lambda _topic, _payload: None,
        )
        made.append(link)
        link.start()
        return link

    yield link
    for one in made:
        one.stop()


def test_it_goes_to_the_next_when_one_dies_and_back_when_that_dies(
    brokers: Brokers, link_to: Callable[..., BrokerLink], wait_until: WaitUntil
) -> None:
    for host in HOSTS:
        brokers.start(host)
    link = link_to(*HOSTS)

    def at(host: str) -> Callable[[], bool]:
        return lambda: link.connected and link.host == host

    wait_until(lambda: link.connected, "the link")
    assert link.host == HOSTS[0]
    brokers.kill(HOSTS[0])
    wait_until(at(HOSTS[1]), "the other", timeout_s=10)
    brokers.start(HOSTS[0])
    assert link.connected
    brokers.kill(HOSTS[1])
    wait_until(at(HOSTS[0]), "the first", timeout_s=10)


def test_hosts_that_are_none_do_not_keep_it_from_the_one_that_is(
    brokers: Brokers, link_to: Callable[..., BrokerLink], wait_until: WaitUntil
) -> None:
    link = link_to("no..name", "nowhere.invalid", HOSTS[0], HOSTS[1])
    brokers.start(HOSTS[1])
    wait_until(lambda: link.connected, "the link", timeout_s=30)
    assert link.host == HOSTS[1]


def test_a_certificate_for_another_name_is_refused_and_the_next_host_tried(
    brokers: Brokers,
    link_to: Callable[..., BrokerLink],
    wait_until: WaitUntil,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs the Debian package openssl: sudo apt-get install openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=broker"),
            *("-addext", f"subjectAltName=IP:{HOSTS[1]}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    for host in HOSTS:
        brokers.start(host, str(certificate), str(key))
    link = link_to(*HOSTS, ca_file=certificate)
    wait_until(lambda: link.connected, "the link", timeout_s=30)
    assert link.host == HOSTS[1]
    assert "certificate is not valid for '127.0.0.1'" in caplog.text
