"""Where a shadow may live: which URLs there are, and how to show one without its passwords."""

from __future__ import annotations

import difflib
import re
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import attrs

from shadows.core.names import shown
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from urllib.parse import SplitResult

KINDS = {
    "memory": "memory",
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "valkey": "redis",
    "valkeys": "redis",
    "valkey+cluster": "cluster",
    "valkeys+cluster": "cluster",
    "embedded": "embedded",
}
"""Every scheme, and what lies behind it."""

CLIENTS = ("redis-py", "glide")
FSYNC = ("everysec", "always")

_GLIDE = {"valkey", "valkeys", "valkey+cluster", "valkeys+cluster"}
"""The schemes that are served by valkey-glide, where it is installed."""
_EXAMPLES = "redis://localhost:6379/0, rediss://user:password@host:6379/0, unix:///run/redis.sock or memory://name"
_FOLDER = "embedded:///var/lib/shop"
_SECRET = re.compile(
    r"([?&;][^=&;]*(?:pass|pwd|secret|token|credential)[^=&;]*=)(?:(?![&;][^=&;]*=).)*",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"[0-9]{1,5}")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[0-9]{1,5})?")
_PORTS = {"redis": 6379, "cluster": 6379, "sentinel": 26379}
"""Where they listen unless it is said."""


@attrs.frozen
class Url:
    """A URL that can be served."""

    address: str = attrs.field(repr=False)
    """for the client library: without parameters of our own; it may hold passwords"""
    scheme: str
    kind: str
    """what lies behind it: ``memory``, ``redis``, ``cluster``, ``sentinel`` or ``embedded``"""
    client: str
    """the client library: ``redis-py`` or ``glide``; empty where there is none"""
    path: str = attrs.field(repr=False)
    """what follows the host; of ``memory://`` all that follows, of ``embedded://`` the folder, decoded"""
    redacted: str
    """for messages: without passwords"""
    hosts: tuple[tuple[str, int], ...] = ()
    """names and ports: of a cluster some of its nodes, of a sentinel URL the Sentinels"""
    service: str = ""
    """the name under which the Sentinels know the servers"""
    insists: bool = False
    """whether it names the client library itself, so that no other will do"""
    fsync: str = ""
    """of ``embedded://``: when the server's disk has what was changed, ``everysec`` or ``always``"""

    def __str__(self) -> str:
        return self.redacted

    @property
    def encrypted(self) -> bool:
        """Whether it asks for TLS."""
        return self.scheme.partition("+")[0] in {"rediss", "valkeys"}


def parse(url: str, *, argument: str = "url") -> Url:
    """Return what the URL means.

    Raises:
        ConfigurationError: no such scheme, or a part that makes no sense; the text names ``argument`` and shows
            no password.
        TypeError: it is no string.
    """
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{argument} must be a string, such as redis://localhost:6379/0, not {type(url).__name__}")
    url = url.strip()
    where = f"{argument}={shown(redacted(url))}"
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator:
        raise ConfigurationError(f"{where} has no scheme; write for example {_EXAMPLES}", instead=_with_scheme(url))
    _check_scheme(scheme, where, rest)
    if KINDS[scheme] == "memory":
        return Url(url, scheme, "memory", "", rest, redacted(url))
    split = _split(url, where)
    if KINDS[scheme] == "embedded":
        path, fsync = _folder(split, where), _fsync(split.query, where)
        return Url(url, scheme, "embedded", "redis-py", path, redacted(url), fsync=fsync)
    _check_server(scheme, split, where)
    own, query = _own_parameters(split.query)
    client = own.get("client") or ("glide" if scheme in _GLIDE else "redis-py")
    if client not in CLIENTS:
        raise ConfigurationError(f"{where} asks for the client {shown(client)}; there are {' and '.join(CLIENTS)}")
    if client == "glide" and KINDS[scheme] == "sentinel":
        raise ConfigurationError(f"{where} asks for the client glide, which knows no Sentinels; use redis-py")
    address = split._replace(query=query).geturl() if own else url
    hosts = () if scheme == "unix" else _hosts(split, KINDS[scheme], where)
    service = split.path.split("/")[1] if KINDS[scheme] == "sentinel" else ""
    return Url(address, scheme, KINDS[scheme], client, split.path, redacted(url), hosts, service, "client" in own)


def redacted(url: str) -> str:
    """Return the URL as it may be shown: passwords, in its user part or its parameters, are three stars.

    It makes sense of nothing and so fails for nothing: what a password with odd characters does to a URL
    must not show it.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    secret = _SECRET.search(rest)
    front, back = (rest[: secret.start()], rest[secret.start() :]) if secret else (rest, "")
    credentials, at, place = front.rpartition("@")
    if not at and "@" in back:  # who knows which of both it is
        credentials, place = front, ""
    if credentials:
        user, colon, _ = credentials.partition(":")
        credentials = f"{user}:***" if colon else "***"
    return f"{scheme}{separator}{credentials}{at}{place}{_SECRET.sub(r'\1***', back)}"


def _with_scheme(text: str) -> str:
    return f"redis://{text}" if _HOST.fullmatch(text) else ""


def _check_scheme(scheme: str, where: str, rest: str) -> None:
    if scheme not in KINDS:
        near = difflib.get_close_matches(scheme, KINDS, n=1)
        hint = f"did you mean {near[0]}://?" if near else f"write for example {_EXAMPLES}"
        instead = redacted(f"{near[0]}://{rest}") if near else ""
        raise ConfigurationError(f"{where} has a scheme that does not exist; {hint}", instead=instead)


def _split(url: str, where: str) -> SplitResult:
    if any(character.isspace() or not character.isprintable() for character in url):
        said = f"{where} holds white space or control characters; percent-encode them"
        raise ConfigurationError(said, remedy="%20 for a space")
    try:
        split = urlsplit(url)
    except ValueError:
        raise ConfigurationError(f"{where}: its host makes no sense; write for example {_EXAMPLES}") from None
    if split.fragment or "@" in split.path:
        said = f"{where}: percent-encode '#', '/' and '?' in a user name or a password"
        raise ConfigurationError(said, remedy="%23 for #, %2F for /, %3F for ?, %40 for @ in a user name or a password")
    return split


def _check_server(scheme: str, split: SplitResult, where: str) -> None:
    if scheme == "unix":
        if split.path in ("", "/"):
            raise ConfigurationError(f"{where} names no socket; write for example unix:///run/redis.sock?db=0")
        return
    database = split.path.strip("/")
    if KINDS[scheme] == "sentinel":
        service, _, database = database.partition("/")
        if not service:
            example = f"{scheme}://host1:26379,host2:26379/mymaster/0"
            raise ConfigurationError(f"{where} names no service of the Sentinels; write for example {example}")
    elif KINDS[scheme] == "cluster":
        if database not in ("", "0"):
            raise ConfigurationError(f"{where} names a database; a cluster has only the one with the number 0")
    elif "," in (place := split.netloc.rpartition("@"))[2]:
        said = f"{where} names several hosts; that takes {scheme}+cluster:// or {scheme}+sentinel://"
        one = split._replace(netloc="".join([*place[:2], place[2].partition(",")[0]])).geturl()
        raise ConfigurationError(said, instead=redacted(one))
    if database and not _NUMBER.fullmatch(database):
        said = f"{where}: its database is no number; write for example {scheme}://localhost:6379/0"
        path = f"{split.path.rpartition('/')[0]}/0"
        raise ConfigurationError(said, instead=redacted(split._replace(path=path).geturl()))


def _folder(split: SplitResult, where: str) -> str:
    """Return the folder of an embedded server: a whole path, for the same URL means the same folder to everybody."""
    path = unquote(split.path)
    if split.netloc or path.startswith("/~"):
        said = f"{where}: its folder is no whole path, which begins with a / right after embedded://"
        raise ConfigurationError(said, remedy=f"write for example {_FOLDER}; in a shell embedded://$HOME/shop")
    if not path.strip("/"):
        raise ConfigurationError(f"{where} names no folder; write for example {_FOLDER}", instead=_FOLDER)
    if "\0" in path:
        raise ConfigurationError(f"{where}: there can be no NUL in the path of a folder; write for example {_FOLDER}")
    return path


def _fsync(query: str, where: str) -> str:
    """Return the one thing that may be said of an embedded server."""
    said = dict(parse_qsl(query, keep_blank_values=True))
    fsync, client = said.pop("fsync", FSYNC[0]), said.pop("client", CLIENTS[0])
    if client != CLIENTS[0]:
        raise ConfigurationError(f"{where} asks for the client {shown(client)}; embedded:// is served by {CLIENTS[0]}")
    if said:
        names = ", ".join(sorted(said))
        raise ConfigurationError(f"{where} has parameters that embedded:// does not know: {names}; there is only fsync")
    if fsync not in FSYNC:
        raise ConfigurationError(f"{where} asks for fsync={shown(fsync)}; there are {' and '.join(FSYNC)}")
    return fsync


def _hosts(split: SplitResult, kind: str, where: str) -> tuple[tuple[str, int], ...]:
    """Return the names and ports, of which there may be several."""
    found: list[tuple[str, int]] = []
    credentials, at, place = split.netloc.rpartition("@")
    for written in place.split(","):
        try:
            host = urlsplit(f"//{written}")
            port = _PORTS[kind] if host.port is None else host.port
        except ValueError:
            port, host = 0, split
        if not port:
            said = f"{where}: its port is no number from 1 to 65535; write for example {_EXAMPLES}"
            better = place.replace(written, f"{written.rpartition(':')[0]}:{_PORTS[kind]}")
            other = split._replace(netloc=f"{credentials}{at}{better}").geturl()
            raise ConfigurationError(said, instead=redacted(other))
        found.append((host.hostname or "localhost", port))
    return tuple(found)


def _own_parameters(query: str) -> tuple[dict[str, str], str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    own = {name: value for name, value in pairs if name == "client"}
    return own, urlencode([(name, value) for name, value in pairs if name not in own])
