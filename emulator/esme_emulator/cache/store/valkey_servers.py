"""The connection to a Valkey or Redis server, or to all nodes of a cluster, and its errors.

Commands of one turn of the event loop share a pipeline, which takes a third of the time that they
take one by one. Knows servers and their commands; knows no entries and no leases.

Whether a server is a node of a cluster is asked when connecting. In a cluster the client library
finds the node of each key, and follows slots that moved. After a failure all connections are
closed, and the next call finds the servers again: an address may lead to another server by then,
and a cluster may have other nodes.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit

from valkey import exceptions
from valkey.asyncio import Connection, ConnectionPool, SSLConnection, Valkey, ValkeyCluster
from valkey.asyncio.cluster import ClusterNode, PipelineCommand

from esme_emulator.cache.store.base import VALKEY_SCHEMES, StoreAwayError, StoreError
from esme_emulator.cache.store.valkey_scripts import Script
from esme_emulator.runtime.accepting import reason_of

TIMEOUT = 1.0
"""Timeout to connect, and of each reply of the server, in seconds of real time."""

CONNECTIONS = 4
"""Maximum number of pipelines in flight of a process; further commands wait for the next one."""

_PORT = 6379
_FORM = "valkey://[user:password@]host[:port][,host[:port]…][/database]"

_ELSEWHERE = ("READONLY", "MASTERDOWN", "UNBLOCKED")
"""Words in errors of a server that is not the primary, also in errors of scripts."""

_FAILURES = (exceptions.ValkeyError, exceptions.ValkeyClusterException, OSError, TimeoutError)
_LOST = (exceptions.ConnectionError, exceptions.TimeoutError, OSError, TimeoutError)
_UNSERVED = (
    exceptions.ClusterError,
    exceptions.ClusterDownError,
    exceptions.AskError,
    exceptions.TryAgainError,
    exceptions.ValkeyClusterException,
)
"""Errors of a cluster, some of whose slots no node serves."""


class ForbiddenError(StoreError):
    """A command that the user may not give."""


@dataclass(frozen=True, slots=True)
class Address:
    """The servers that a URL names, and how to log in."""

    hosts: tuple[tuple[str, int], ...]
    options: dict[str, Any]
    """Arguments of all clients of the library."""
    database: int
    tls: bool
    shown: str
    """The URL without user and password."""

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Parse a URL; `_FORM` is its form. Raises `StoreError` for any other text."""
        try:
            scheme, colon, rest = url.partition("://")
            login, _, places = rest.rpartition("@")
            hosts, _, path = places.partition("/")
            named = tuple(_host(host) for host in hosts.split(","))
            database = int(path.strip("/") or 0)
            if scheme not in VALKEY_SCHEMES or not colon or database < 0:
                raise ValueError
        except ValueError:
            raise StoreError(
                f"the store's URL must be {_FORM}, with a number as database"
            ) from None
        user, _, password = login.partition(":")
        options = {
            "username": unquote(user) or None,
            "password": unquote(password) or None,
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
        }
        where = ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in named
        )
        tls = scheme in ("valkeys", "rediss")
        return cls(named, options, database, tls, f"{scheme}://{where}/{database}")


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError
    return parts.hostname, _PORT if parts.port is None else parts.port


@dataclass(frozen=True, slots=True, eq=False)
class _Command:
    """A command that waits for its reply."""

    key: str
    """A key that it uses; all others are in the same slot."""
    words: tuple[Any, ...]
    script: Script | None
    """The script that it runs by its hash."""
    reply: asyncio.Future[Any]

    def with_script(self) -> "_Command":
        """Return a command with the script itself, for a server that does not know its hash."""
        text = "" if self.script is None else self.script.text
        return replace(self, words=("EVAL", text, *self.words[2:]))


class _Server:
    """One server that is no node of a cluster."""

    def __init__(self, client: Valkey) -> None:
        self._client = client

    async def is_in_cluster(self) -> bool:
        """Return whether it is a node of a cluster; one that does not say so is none."""
        try:
            [hello] = await self.ask_all("HELLO")
        except exceptions.ResponseError:
            return False
        return dict(zip(hello[::2], hello[1::2], strict=True)).get(b"mode") == b"cluster"

    async def send(self, commands: list[_Command]) -> list[Any]:
        """Return the reply to each command, or its error."""
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command.words)
        return list(await pipeline.execute(raise_on_error=False))

    async def ask_all(self, *words: Any) -> list[Any]:
        """Return the reply of the server in a list."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.execute_command(*words)
        return list(await pipeline.execute())

    async def close(self) -> None:
        """Close all connections."""
        with suppress(*_FAILURES):  # it is away, and the connection with it
            await self._client.connection_pool.disconnect()


class _Cluster:
    """All nodes of a cluster.

    The pipeline of the library repeats commands that may have run, so nodes are asked one by one.
    """

    def __init__(self, client: ValkeyCluster) -> None:
        self._client = client

    async def send(self, commands: list[_Command]) -> list[Any]:
        """Return the reply to each command, or its error."""
        asked = [PipelineCommand(number, *each.words) for number, each in enumerate(commands)]
        shares: dict[str, tuple[ClusterNode, list[PipelineCommand]]] = {}
        for command, each in zip(commands, asked, strict=True):
            node = self._client.get_node_from_key(command.key)
            if node is None:  # the library says so of replicas, which are not asked
                raise exceptions.ClusterError("a slot has no primary")
            shares.setdefault(node.name, (node, []))[1].append(each)
        await asyncio.gather(*(self._ask(node, share) for node, share in shares.values()))
        return [await self._follow(each) for each in asked]

    async def _ask(self, node: ClusterNode, share: list[PipelineCommand]) -> None:
        try:
            await node.execute_pipeline(share)
        except _FAILURES as error:
            for each in share:
                each.result = error

    async def _follow(self, command: PipelineCommand) -> Any:
        """Return the reply to a command, also if its slot moved or is moving."""
        reply = command.result
        if not isinstance(reply, (exceptions.AskError, exceptions.TryAgainError)):
            return reply
        if type(reply) is exceptions.AskError and not self._client.get_node(reply.host, reply.port):
            # The library cannot ask a node that joined meanwhile; the next connection can.
            return exceptions.ClusterError(f"{reply.host}:{reply.port} joined it")
        try:
            return await self._client.execute_command(*command.args)
        except _FAILURES as error:
            return error

    async def ask_all(self, *words: Any) -> list[Any]:
        """Return the replies of all primaries."""
        return [await node.execute_command(*words) for node in self._client.get_primaries()]

    async def close(self) -> None:
        """Close all connections."""
        with suppress(*_FAILURES):
            await self._client.aclose()


class Servers:
    """The server or cluster at `url`. Nothing is sent before the first call.

    `url` is `valkey://[user:password@]host[:port][/database]`, or has another of `VALKEY_SCHEMES`;
    several nodes of a cluster may be named. Raises `StoreError` if it has another form, and so do
    all calls if the servers cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._address = Address.parse(url)
        self._link: _Server | _Cluster | None = None
        self._connecting: asyncio.Task[StoreError | None] | None = None
        self._waiting: list[_Command] = []
        self._is_starting = False
        """Whether a task will take what waits."""
        self._senders: set[asyncio.Task[None]] = set()
        self._closed = False

    async def is_cluster(self) -> bool:
        """Return whether the servers are the nodes of a cluster."""
        return isinstance(await self._linked(), _Cluster)

    async def _linked(self) -> _Server | _Cluster:
        """Return the connection, after connecting if there is none."""
        while self._link is None:
            if self._closed:
                raise self.error("it was closed")
            if self._connecting is None:
                self._connecting = asyncio.create_task(self._connect())
            connecting = self._connecting
            await asyncio.wait([connecting])  # it goes on if this caller is cancelled
            if self._connecting is connecting:
                self._connecting = None
            if not connecting.cancelled() and (error := connecting.result()) is not None:
                raise type(error)(str(error))
        return self._link

    async def ask(self, key: str, *words: Any) -> Any:
        """Return the reply to a command that uses `key`, and no key of another slot."""
        return await self._ask(key, words)

    async def run(self, script: Script, keys: tuple[str, ...], values: tuple[Any, ...]) -> Any:
        """Return the result of `script`; all its keys are in one slot."""
        return await self._ask(keys[0], ("EVALSHA", script.sha, len(keys), *keys, *values), script)

    async def ask_all(self, *words: Any) -> list[Any]:
        """Return the replies to a command without keys: of the server, or of all primaries."""
        link = await self._linked()
        try:
            return await link.ask_all(*words)
        except _FAILURES as error:
            [reason] = await self._checked_replies(link, [error])
            raise reason from None

    async def close(self) -> None:
        """End the calls in progress, then close the connections."""
        self._closed = True
        running = [*self._senders, *([self._connecting] if self._connecting else [])]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        _answer(self._waiting, [self.error("it was closed")] * len(self._waiting))
        if self._link is not None:
            await self._link.close()

    def error(self, reason: str, kind: type[StoreError] = StoreError) -> StoreError:
        """Return an error about these servers."""
        return kind(f"store {self._address.shown}: {reason}")

    async def _ask(self, key: str, words: tuple[Any, ...], script: Script | None = None) -> Any:
        if self._closed:
            raise self.error("it was closed")
        command = _Command(key, words, script, asyncio.get_running_loop().create_future())
        self._waiting.append(command)
        if not self._is_starting and len(self._senders) < CONNECTIONS:
            self._is_starting = True
            sender = asyncio.create_task(self._send_all())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        return await command.reply

    async def _send_all(self) -> None:
        """Send what waits in one pipeline, and what came meanwhile in the next."""
        self._is_starting = False
        while self._waiting:
            commands, self._waiting = self._waiting, []
            try:
                replies = await self._send(commands)
            except asyncio.CancelledError:  # by `close`
                _answer(commands, [self.error("it was closed")] * len(commands))
                raise
            except Exception as error:  # a mistake of ours, which the callers raise
                replies = [error] * len(commands)
            _answer(commands, replies)

    async def _send(self, commands: list[_Command]) -> list[Any]:
        """Return the reply to each command; an error is a `StoreError`."""
        try:
            link = await self._linked()
        except StoreError as error:
            return [error] * len(commands)
        try:
            replies = await link.send(commands)
            unknown = [
                number
                for number, reply in enumerate(replies)
                if isinstance(reply, exceptions.NoScriptError)
            ]
            if unknown:
                again = await link.send([commands[number].with_script() for number in unknown])
                for number, reply in zip(unknown, again, strict=True):
                    replies[number] = reply
        except _FAILURES as error:
            replies = [error] * len(commands)
        return await self._checked_replies(link, replies)

    async def _checked_replies(self, link: _Server | _Cluster, replies: list[Any]) -> list[Any]:
        """Return `replies` with each error as `StoreError`; close `link` if it is away."""
        told = [
            self.error(*_explained(reply)) if isinstance(reply, Exception) else reply
            for reply in replies
        ]
        if any(isinstance(reply, StoreAwayError) for reply in told) and self._link is link:
            self._link = None
            await link.close()
        return told

    async def _connect(self) -> StoreError | None:
        """Connect to what answers at the address; return why there is no connection, or None."""
        try:
            self._link = await self._find()
        except StoreError as error:
            return error
        except _FAILURES as error:
            return self.error(*_explained(error))
        return None

    async def _find(self) -> _Server | _Cluster:
        """Return the server, or the cluster that the first server to answer is a node of."""
        *others, last = hosts = self._address.hosts
        for host in others:
            with suppress(*_LOST):
                return await self._link_to(*host, is_alone=False)
        return await self._link_to(*last, is_alone=len(hosts) == 1)

    async def _link_to(self, host: str, port: int, *, is_alone: bool) -> _Server | _Cluster:
        server = _Server(self._client(host, port))
        is_kept = False
        try:
            is_in_cluster = await server.is_in_cluster()
            if not is_in_cluster and not is_alone:
                raise self.error(f"{host}:{port} is no node of a cluster: name one server alone")
            is_kept = not is_in_cluster
        finally:
            if not is_kept:
                await server.close()
        return server if is_kept else _Cluster(await self._cluster())

    def _client(self, host: str, port: int) -> Valkey:
        address = self._address
        pool = ConnectionPool(
            connection_class=SSLConnection if address.tls else Connection,
            host=host,
            port=port,
            db=address.database,
            **address.options,
        )
        return Valkey(connection_pool=pool)

    async def _cluster(self) -> ValkeyCluster:
        # No call is repeated: a settlement that was done twice would look lost.
        return await ValkeyCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in self._address.hosts],
            ssl=self._address.tls,
            cluster_error_retry_attempts=0,
            connection_error_retry_attempts=0,
            reinitialize_steps=0,
            **self._address.options,
        )


def _answer(commands: list[_Command], replies: list[Any]) -> None:
    """Give each command its reply, unless its caller is gone."""
    for command, reply in zip(commands, replies, strict=True):
        if command.reply.done():
            continue
        if isinstance(reply, StoreError):
            command.reply.set_exception(type(reply)(str(reply)))  # each raises its own
        elif isinstance(reply, Exception):
            command.reply.set_exception(reply)
        else:
            command.reply.set_result(reply)


def _explained(error: Exception) -> tuple[str, type[StoreError]]:
    """Return what an error means to the user, and its kind."""
    says = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, exceptions.AuthenticationError):
        return f"give another user or password in its URL ({says})", StoreError
    if isinstance(error, exceptions.NoPermissionError):
        return f"the server says: {says}", ForbiddenError
    if isinstance(error, (exceptions.ReadOnlyError, exceptions.MasterDownError)) or any(
        word in says for word in _ELSEWHERE
    ):
        return (
            f"takes no writes; name the primary, or wait until it is one ({says})",
            StoreAwayError,
        )
    if isinstance(error, exceptions.BusyLoadingError):
        return f"is loading its data; wait until it has ({says})", StoreAwayError
    if isinstance(error, _UNSERVED) or "CLUSTERDOWN" in says:
        return f"its cluster does not serve all keys; see CLUSTER INFO ({says})", StoreAwayError
    if isinstance(error, exceptions.ResponseError):
        return f"the server says: {says}", StoreError
    # The driver's own text has the number of the error, and repeats the address.
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    return f"no answer; see that the server runs there ({reason_of(cause)})", StoreAwayError
