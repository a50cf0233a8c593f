"""The link to the MQTT broker, for agent, manager and web alike.

The broker is a wire, never the memory: nothing is queued here while it is away. Who publishes is
told whether the wire was up, and keeps what matters until the other side has acknowledged it.
"""

import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bem.messages import encode
from bem.messages.base import Message
from bem.runtime.log import Condition
from bem.runtime.settings import BrokerSettings, SettingsError, read_secret

_LOGGER = logging.getLogger(__name__)
_RECONNECT_MIN_S = 1
_RECONNECT_MAX_S = 5
_MAX_UNSENT = 2000
"""Messages that wait for a slow broker; above, publishing is refused instead of filling memory."""


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when it cannot agree with the other side, which paho leaves to chance."""

    def do_handshake(self, block: bool = False) -> None:
        """Agree on keys; raises what ``ssl`` raises."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class _Client(mqtt.Client):
    """Paho's client, which keeps to one host, made to try several in turn.

    A connection that is lost or cannot be made moves on to the next host; ``trouble`` is why the
    last attempt failed.
    """

    def __init__(self, hosts: Sequence[str], client_id: str) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=mqtt.MQTTv311,
        )
        self._turns = cycle(hosts)
        self.trouble: object = ""

    def reconnect(self) -> MQTTErrorCode:
        """Try the next host; paho calls this for the first connection and each further one."""
        self.connect_async(next(self._turns), self.port, keepalive=self.keepalive)
        try:
            return super().reconnect()
        except UnicodeError as error:
            # No host name at all; paho's thread would end by anything but an OSError.
            self.trouble = error
            raise OSError(str(error)) from error
        except OSError as error:
            self.trouble = error
            raise


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when the connection breaks."""

    topic: str
    message: Message


class BrokerLink:
    """A connection that comes back for ever, at one host or the next, subscribing anew each time.

    ``on_message(topic, payload)`` and ``on_connected()`` are called from the link's own thread and
    must be quick: hand over, do not work there.

    Raises:
        SettingsError: the password file or the certificate authority's cannot be read.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        client_id: str,
        subscriptions: Sequence[str],
        on_message: Callable[[str, bytes], None],
        on_connected: Callable[[], None] | None = None,
        will: Will | None = None,
    ) -> None:
        self._settings = settings
        self._subscriptions = subscriptions
        self._on_message = on_message
        self._on_connected = on_connected
        names = " and ".join(f"{host}:{settings.port}" for host in settings.hosts)
        self._away = Condition(_LOGGER, f"broker {names} is away")
        self._client = _Client(settings.hosts, client_id)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._connect_failed
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._received
        self._client.reconnect_delay_set(_RECONNECT_MIN_S, _RECONNECT_MAX_S)
        self._client.max_queued_messages_set(_MAX_UNSENT)
        if settings.user is not None:
            password = read_secret(settings.password_file, "broker.password_file")
            self._client.username_pw_set(settings.user, password.get_secret_value())
        if settings.ca_file is not None:
            self._client.tls_set_context(_tls(settings.ca_file))
        if will is not None:
            self._client.will_set(will.topic, encode(will.message), qos=1)

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached right now."""
        return self._client.is_connected()

    @property
    def host(self) -> str:
        """The host that is connected, or was tried last."""
        return self._client.host

    def start(self) -> None:
        """Begin to connect, and to reconnect for ever, in a thread of its own."""
        self._client.connect_async(
            self._settings.hosts[0], self._settings.port, keepalive=self._settings.keepalive_s
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect in order, so that the will is not sent."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, message: Message, qos: int = 1) -> bool:
        """Send a message; ``False`` when the wire is down and nothing was sent."""
        if not self.connected:
            return False
        result = self._client.publish(topic, encode(message), qos=qos)
        return result.rc == mqtt.MQTT_ERR_SUCCESS

    def _connected(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._away.begin(reason)
            return
        self._away.end()
        for subscription in self._subscriptions:
            client.subscribe(subscription, qos=1)
        if self._on_connected is not None:
            self._on_connected()

    def _connect_failed(self, _client: mqtt.Client, _userdata: object) -> None:
        self._away.begin(f"{self._client.trouble}; trying again for ever")

    def _disconnected(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._away.begin(reason)

    def _received(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self._on_message(message.topic, bytes(message.payload))


def _tls(ca_file: Path) -> ssl.SSLContext:
    """Trust one certificate authority, and check each host's certificate against its name."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        raise SettingsError(
            f"broker.ca_file: cannot use {ca_file}: {error}; "
            "it must hold the certificate of the authority that signed the broker's"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TlsSocket
    return context
