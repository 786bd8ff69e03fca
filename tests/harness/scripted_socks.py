"""A SOCKS5 server that does what it is told, in the place of tor, and the servers to which
it leads.

    socks.on(onion("a"), refused(5))
    socks.on(onion("b"), connected(echo))

A behaviour is an async function of the connection, called when the request has been read;
when it returns the connection is closed. What nothing was said about is connected to an
echo."""

import asyncio
import contextlib
import socket
import struct
import threading

from .proc import LOOPBACK, free_port

IPV4 = b"\5\0\0\1" + bytes(6)
IPV6 = b"\5\0\0\4" + bytes(18)
LONGEST = b"\5\0\0\3\xff" + b"x" * 255 + bytes(2)


class Connection:
    """host, port, user and password are those of the request. received: what came after
    the reply. ended: nothing more comes."""

    def __init__(self, server, reader, writer):
        self.server = server
        self.reader, self.writer = reader, writer
        self.host = self.port = self.user = self.password = None
        self.said = 0
        self.received = bytearray()
        self.ended = False
        self.closed = False

    async def serve(self):
        offered = await self.exactly((await self.exactly(2))[1])
        if await self.instead(self.server.greeting):
            return
        await self.say(b"\5" + offered[:1])
        if offered[0] == 2:
            self.user, self.password = [await self.word(skip) for skip in (1, 0)]
            if await self.instead(self.server.login):
                return
            await self.say(b"\1\0")
        self.host = (await self.word(4)).decode()
        self.port = struct.unpack("!H", await self.exactly(2))[0]
        self.server.asked.append(self)
        await self.server.behaviour(self.host)(self)

    async def instead(self, behaviour):
        if behaviour is not None:
            await behaviour(self)
        return behaviour is not None

    async def exactly(self, count):
        return await self.reader.readexactly(count)

    async def word(self, skip):
        await self.exactly(skip)
        return await self.exactly((await self.exactly(1))[0])

    async def say(self, data):
        """A part of the SOCKS conversation, as the server is told to say it."""
        cut = self.server.cut
        if cut is not None:
            data = data[: cut - self.said]
        self.said += len(data)
        if not self.server.slowly:
            await self.send(data)
        else:
            for byte in data:
                await self.send(bytes([byte]))
                await asyncio.sleep(0.01)
        if self.said == cut:
            raise ConnectionAbortedError

    async def send(self, data):
        for at in range(0, len(data), 65536):
            self.writer.write(data[at : at + 65536])
            await self.writer.drain()
            await asyncio.sleep(0)

    async def read(self, size=65536):
        """b"" at the end."""
        data = await self.reader.read(size)
        self.received += data
        self.ended = not data
        return data

    def reset(self):
        """So that the other side is told ECONNRESET."""
        s = self.writer.get_extra_info("socket")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class ScriptedSocks:
    """In a thread of its own. What can be told, beside the behaviours for targets:

    greeting, login: a behaviour in place of the answer to these
    cut: the number of bytes after which it ends each conversation
    slowly: it says one byte at a time

    connections: all that there were. asked: those whose request was read, in order."""

    def __init__(self):
        self.host, self.port = LOOPBACK, free_port()
        self.greeting = self.login = self.cut = None
        self.slowly = False
        self.connections, self.asked = [], []
        self._behaviours = {}
        self._thread = None

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def on(self, host, behaviour):
        self._behaviours[host] = behaviour

    def behaviour(self, host):
        return self._behaviours.get(host, connected(echo))

    def hosts(self):
        return [c.host for c in self.asked]

    def open(self):
        """How many connections there are now."""
        return sum(not c.closed for c in self.connections)

    def start(self):
        """Again after stop(), on the same port."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        listening.bind((self.host, self.port))
        listening.listen(4096)
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), daemon=True)
        self._thread.start()
        return self

    def stop(self):
        """As if it were killed. Legal in any state."""
        if self._thread is None:
            return
        thread, self._thread = self._thread, None
        self._loop.call_soon_threadsafe(self._end.set)
        thread.join()

    def _run(self, listening):
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve(listening))

    async def _serve(self, listening):
        server = await asyncio.start_server(self._connected, sock=listening)
        await self._end.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader, writer):
        s = writer.get_extra_info("socket")
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c = Connection(self, reader, writer)
        self.connections.append(c)
        try:
            await c.serve()
        except asyncio.CancelledError:
            writer.transport.abort()  # nobody may read what is still to be sent
        except (OSError, EOFError):
            pass
        finally:
            c.closed = True
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


# Behaviours


def connected(server, reply=IPV4, glued=b""):
    """Glued to the reply is what the server says first."""

    async def behaviour(c):
        await c.say(reply + glued)
        await server(c)

    return behaviour


def refused(code):
    return says(b"\5" + bytes([code]) + b"\0\1" + bytes(6))


def says(data):
    """And closes."""

    async def behaviour(c):
        await c.say(data)

    return behaviour


def says_and_hangs(data):
    async def behaviour(c):
        await c.say(data)
        await hangs(c)

    return behaviour


async def hangs(c):
    while await c.read():
        pass


async def closes(c):
    pass


async def resets(c):
    c.reset()


def later(seconds, behaviour):
    async def wait_before(c):
        await asyncio.sleep(seconds)
        await behaviour(c)

    return wait_before


# Servers

sink = hangs


async def echo(c):
    while data := await c.read():
        await c.send(data)


async def flood(c):
    """For ever."""
    while True:
        await c.send(bytes(65536))


async def never_reads(c):
    c.writer.transport.pause_reading()
    await asyncio.Event().wait()


def speaks_first(greeting, then):
    async def server(c):
        await c.send(greeting)
        await then(c)

    return server


def exchanges(data, count, pause=0):
    """Says data and hears count bytes at the same time; then it closes. A pause after
    each piece makes it a slow reader."""

    async def hear(c):
        while len(c.received) < count and await c.read(65536):
            await asyncio.sleep(pause)

    async def server(c):
        await asyncio.gather(c.send(data), hear(c))

    return server
