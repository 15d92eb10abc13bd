"""The driver on redis-py: three connections of our own, because a pool costs more than the work itself."""

from __future__ import annotations

import asyncio
import math
import warnings
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import hiredis
from redis.exceptions import BusyLoadingError, RedisError, ResponseError

from shadows.adapters.redis.driver import Elsewhere, did_nothing
from shadows.adapters.redis.line import Line, pack, too_many
from shadows.adapters.redis.places import TIMEOUT, Connection, NotRebuildableError, Place, abandon
from shadows.adapters.redis.pubsub import Listener
from shadows.adapters.redis.replies import translated
from shadows.errors import BrokerUnavailable, UnsupportedServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence

    from shadows.adapters.redis.driver import Command, Subscription

OLDEST = (6, 2)


@attrs.define
class RedisPyDriver:
    """See :class:`shadows.adapters.redis.driver.Driver`."""

    place: Place
    _commands: _Lane = attrs.field(init=False)
    _waits: _Lane = attrs.field(init=False)
    _renewals: Connection = attrs.field(init=False, default=None)
    _renewals_since: int = attrs.field(init=False, default=0)
    """the moves of the place when it was opened"""
    _on_loop: _Lane | None = attrs.field(init=False, default=None)
    """where the renewals go that no thread can make by itself"""

    def __attrs_post_init__(self) -> None:
        self._commands = _Lane(self.place)
        self._waits = _Lane(self.place)

    def ask(self, *commands: Command) -> Coroutine[Any, Any, list[Any]]:
        return self._commands.ask(commands, TIMEOUT)

    def wait(self, *commands: Command, patience: float) -> Coroutine[Any, Any, list[Any]]:
        return self._waits.ask(commands, patience + TIMEOUT)

    def ask_blocking(self, *commands: Command) -> list[Any]:
        if self._on_loop is None:
            try:
                return self._ask_in_thread(commands)
            except NotRebuildableError as unfit:
                msg = f"{self.place.text}: a body that blocks the event loop may lose its lease here; {unfit}"
                warnings.warn(msg, RuntimeWarning, stacklevel=2)
                self._on_loop = _Lane(self.place)
        loop = self._commands.loop
        if loop is None:
            msg = f"{self.place.text}: renewals have to go through an event loop, and none is running yet"
            raise BrokerUnavailable(msg, sent=False)
        asked = asyncio.run_coroutine_threadsafe(self._on_loop.ask(commands, TIMEOUT), loop)
        try:
            return asked.result(2 * TIMEOUT)
        except TimeoutError as late:
            asked.cancel()
            msg = f"{self.place.text}: the event loop is too busy to renew leases"
            raise BrokerUnavailable(msg) from late

    def _ask_in_thread(self, commands: tuple[Command, ...]) -> list[Any]:
        answers = self._trip_in_thread(commands)
        again = _moved(answers)
        if again:
            _put(answers, again, self._trip_in_thread([commands[i] for i in again]))
        return answers

    def _trip_in_thread(self, commands: Sequence[Command]) -> list[Any]:
        sent = False
        try:
            if self._renewals is None or self._renewals_since != self.place.moves:
                self._drop_renewals()
                since = self.place.moves
                self._renewals, self._renewals_since = self.place.connect_blocking(), since
            connection = self._renewals
            packed = [pack(command) for command in commands]
            sent = True
            connection.send_packed_command(packed, check_health=False)
            answers = [_answer(connection.read_response, self.place.text) for _ in commands]
            reader = getattr(connection._parser, "_reader", None)  # noqa: SLF001 - redis-py tells it nowhere else
            _refuse_more(reader, self.place.text)
        except BaseException as broken:
            if self._renewals is not None:
                self.place.elsewhere()
            self._drop_renewals()
            _reraise(broken, self.place.text, sent=sent)
            raise
        for answer in answers:
            if isinstance(answer, Elsewhere):
                self.place.elsewhere(answer.node)
                self._drop_renewals()
                break
        return answers

    def _drop_renewals(self) -> None:
        connection, self._renewals = self._renewals, None
        if connection is not None:
            connection.disconnect()

    @asynccontextmanager
    async def subscription(self, hear: Callable[[bytes | None, bytes], None]) -> AsyncGenerator[Subscription]:
        listener = Listener(self.place.connect, hear)
        async with listener:
            yield listener

    async def close(self) -> None:
        await self._commands.close()
        await self._waits.close()
        if self._on_loop is not None:
            await self._on_loop.close()
        if self._renewals is not None:
            self._renewals.disconnect()

    def client(self) -> Any:
        return self.place.client()


def _answer(read: Callable[[], Any], where: str) -> Any:
    try:
        return read()
    except ResponseError as refused:
        return translated(refused, where) or refused


def _refuse_more(reader: object, where: str) -> None:
    if isinstance(reader, hiredis.Reader) and reader.has_data():
        raise too_many(where)


def _moved(answers: Sequence[Any]) -> Sequence[int]:
    """Return which commands another node is to be asked: the first that we were sent there with, and all behind it.

    Of these surely none was carried out but such as name no key; they belong to what is before them.
    """
    sent = (i for i, answer in enumerate(answers) if isinstance(answer, Elsewhere) and answer.node is not None)
    return range(next(sent, len(answers)), len(answers))


def _put(answers: list[Any], where: Sequence[int], better: Sequence[Any]) -> None:
    for i, answer in zip(where, better, strict=True):
        answers[i] = answer


def _reraise(broken: BaseException, where: str, *, sent: bool = True) -> None:
    ours = translated(broken, where)
    if isinstance(ours, UnsupportedServer) and sent:
        ours = BrokerUnavailable(str(ours))  # it did speak our language when the connection was opened
    if isinstance(ours, BrokerUnavailable):
        ours.sent = sent
    if ours is not None:
        raise ours from broken


@attrs.define
class _Lane:
    """One connection.  Callers take turns; the commands of one call travel together."""

    place: Place
    _connection: Connection = None
    _line: Line | None = None
    """what it has become, once it is known to be of use"""
    _since: int = 0
    """the moves of the place when the connection was opened"""
    _elsewhere: Elsewhere | None = None
    """an answer that sends us away"""
    loop: asyncio.AbstractEventLoop | None = None
    """where it was opened last"""
    _taken: bool = False
    """somebody's commands are under way"""
    _queue: deque[asyncio.Future[None]] = attrs.field(factory=deque[asyncio.Future[None]])
    """whose turn comes next"""

    async def ask(self, commands: Sequence[Command], patience: float) -> list[Any]:
        # The ordinary request is what stands here; all else is done elsewhere, for each step costs something.
        if self._taken:
            await self._turn()
        self._taken = True
        try:
            line = self._line
            if line is None or line.is_closing() or self._since != self.place.moves:
                line = await self._opened(patience)
            try:
                answers = await line.ask(commands, patience)
            except BaseException as broken:
                self._lost(broken, patience)
                raise
            for answer in answers:
                if isinstance(answer, RedisError):
                    return await self._sorted_out(commands, answers, patience)
            return answers
        finally:
            self._taken = False
            if self._queue:
                self._pass_on()

    async def _turn(self) -> None:
        """Wait until those are served who came before."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had come
                self._taken = False
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Let the next one have his turn, and nobody who comes before he wakes up."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                self._taken = True
                return

    async def _sorted_out(self, commands: Sequence[Command], answers: list[Any], patience: float) -> list[Any]:
        """Read refusals; what another server is to be asked instead, ask it."""
        self._read(answers, patience)
        if self._leave():
            again = _moved(answers)
            if again:
                _put(answers, again, await self._go_on([commands[i] for i in again], answers, patience))
                self._leave()
        return answers

    async def _go_on(self, commands: Sequence[Command], answers: Sequence[Any], patience: float) -> list[Any]:
        """Take the rest of a trip to another server, after these answers of the first one."""
        try:
            line = await self._opened(patience)
            try:
                rest = await line.ask(commands, patience)
            except BaseException as broken:
                self._lost(broken, patience)
                raise
            self._read(rest, patience)
        except BrokerUnavailable as away:
            away.sent = away.sent or not all(map(did_nothing, answers))
            raise
        return rest

    async def _opened(self, patience: float) -> Line:
        self.loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience):
                return await self._open()
        except BaseException as broken:
            self._lost(broken, patience, sent=False)
            raise

    def _lost(self, broken: BaseException, patience: float, *, sent: bool = True) -> None:
        """Leave a connection on which something else came than answers, and raise what its caller is told of that."""
        if isinstance(broken, asyncio.CancelledError):
            self._drop()  # answers may lie unread in it
            return
        self._give_up()
        if isinstance(broken, TimeoutError):
            msg = f"{self.place.text}: no answer within {patience:g} s"
            raise BrokerUnavailable(msg, sent=sent) from broken
        _reraise(broken, self.place.text, sent=sent)

    async def _open(self) -> Line:
        self._drop()
        since = self.place.moves
        self._connection, self._since = await self.place.connect(), since
        await self._check_version(self._connection)
        self._line = Line(self._connection, self.place.text)
        return self._line

    async def _check_version(self, connection: Connection) -> None:
        """Refuse a server that is too old; one that does not tell its version is given the benefit of the
        doubt.
        """
        await connection.send_command("INFO", "server", check_health=False)
        try:
            info: bytes = await connection.read_response(disable_decoding=True, timeout=math.inf)
        except ResponseError:
            return
        for line in info.decode(errors="replace").splitlines():
            if line.startswith("redis_version:"):
                version = line.removeprefix("redis_version:")
                numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
                if numbers < OLDEST:
                    msg = f"{self.place.text} runs Redis {version}; shadows needs Redis 6.2 or newer, or Valkey"
                    raise UnsupportedServer(msg)

    def _read(self, answers: list[Any], patience: float) -> None:
        """Say refusals in our words; raise what says that there will be no more answers."""
        sent = not all(isinstance(answer, BusyLoadingError) for answer in answers)
        for i, answer in enumerate(answers):
            if isinstance(answer, ResponseError):
                answers[i] = ours = translated(answer, self.place.text) or answer
                if isinstance(ours, Elsewhere):
                    self._elsewhere = ours
            elif isinstance(answer, RedisError):
                self._lost(answer, patience, sent=sent)

    def _leave(self) -> bool:
        """Take no more of a server that said that it is not the right one; return whether it did."""
        if self._elsewhere is None:
            return False
        self.place.elsewhere(self._elsewhere.node)
        self._drop()
        return True

    def _give_up(self) -> None:
        """Leave a server that let us in and then broke the connection or fell silent: another may have taken over."""
        if self._connection is not None:
            self.place.elsewhere()
        self._drop()

    def _drop(self) -> None:
        line, connection = self._line, self._connection
        self._line = self._connection = self._elsewhere = None
        if line is None:
            abandon(connection)
        else:
            line.drop()

    async def close(self) -> None:
        line, connection = self._line, self._connection
        self._line = self._connection = None
        if line is not None:
            await line.close()
        elif connection is not None:
            await connection.disconnect()
