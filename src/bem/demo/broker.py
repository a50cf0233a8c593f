"""The embedded MQTT broker: amqtt with one account, on this computer only.

A laboratory runs RabbitMQ instead; the other processes cannot tell the difference.
"""

import asyncio
import hmac
import logging
import signal
from dataclasses import dataclass, field

from amqtt.broker import Broker
from amqtt.contexts import BaseContext, BrokerConfig, ListenerConfig
from amqtt.errors import BrokerError
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from bem.runtime.notify import Notifier
from bem.runtime.settings import Settings, SettingsError, read_secret

_LOGGER = logging.getLogger(__name__)
_LISTEN = "127.0.0.1"
_SWEEP_S = 1.0


class AccountPlugin(BaseAuthPlugin):
    """Let one account in, and nobody without it."""

    @dataclass
    class Config:
        """The account, as amqtt hands it to the plugin."""

        user: str
        password: str = field(repr=False)

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        config: AccountPlugin.Config = self.config
        self._user = config.user.encode()
        self._password = config.password.encode()

    async def authenticate(self, *, session: Session) -> bool:
        """Say whether the session gave the account's name and password."""
        user = hmac.compare_digest((session.username or "").encode(), self._user)
        password = hmac.compare_digest((session.password or "").encode(), self._password)
        return user and password


class EmbeddedBroker(Broker):
    """amqtt, with sessions that cannot lose their subscriptions to the clean-up of an older one.

    amqtt 0.12.1 forgets ended sessions in steps with other work between them, and by client id. A
    client that reconnects in that instant is left connected but subscribed to nothing.
    """

    async def _session_monitor(self) -> None:
        while True:
            for client_id in list(self._sessions):
                await self._forget_if_ended(client_id)
            await asyncio.sleep(_SWEEP_S)

    async def _forget_if_ended(self, client_id: str) -> None:
        session, handler = self._sessions.get(client_id, (None, None))
        if session is None or session.transitions.state != "disconnected":
            return
        if not (session.clean_session or session.is_anonymous):
            return
        # No other task runs between these: nothing in them waits.
        del self._sessions[client_id]
        await self._del_all_subscriptions(session)
        session.clear_queues()
        if handler is not None:
            await self._stop_handler(handler)


def run(settings: Settings) -> int:
    """Serve MQTT on this computer's port ``broker.port`` until told to stop; gives the exit code.

    Raises:
        SettingsError: the account is not set, or the broker is meant to be on another machine.
    """
    if settings.broker.user is None:
        raise SettingsError("broker.user is not set: the embedded broker lets nobody in without")
    for host in settings.broker.hosts:
        if host not in ("localhost", _LISTEN):
            raise SettingsError(
                f"broker.hosts names {host!r}; the embedded broker serves only {_LISTEN}"
            )
    password = read_secret(settings.broker.password_file, "broker.password_file")
    config = BrokerConfig(
        listeners={"default": ListenerConfig(bind=f"{_LISTEN}:{settings.broker.port}")},
        plugins={
            f"{AccountPlugin.__module__}.{AccountPlugin.__name__}": {
                "user": settings.broker.user,
                "password": password.get_secret_value(),
            }
        },
    )
    return asyncio.run(_serve(config))


async def _serve(config: BrokerConfig) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    broker = EmbeddedBroker(config)
    try:
        await broker.start()
    except BrokerError as error:
        _LOGGER.error("%s", error)  # noqa: TRY400 - amqtt has logged where it happened
        return 1
    notifier = Notifier()
    notifier.ready()
    _LOGGER.info("MQTT broker on %s", config.listeners["default"].bind)
    await stop.wait()
    notifier.stopping()
    await broker.shutdown()
    return 0
