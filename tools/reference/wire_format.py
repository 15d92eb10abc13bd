"""The page of the wire format: bytes, keys and fields, for those who write a client or look into a server."""

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Final

from shadows.adapters.codecs import cloudpickle, encrypting, json, signing, tags
from shadows.adapters.redis import keys
from shadows.core import envelope, failures, outcome, travel
from tools.reference.markup import body, code, inline, table

_HEAD: Final = """\
# Wire format

What lies on the server, for those who write a client in another language, or look into one with `redis-cli`. Times are
whole milliseconds since 1970, by the server's clock.

## Names of keys

Every key begins with `NAME:`, in a cluster with `{NAME}:`, so that all of a shadow's keys are in one slot.
What follows:
"""
_KEY: Final = """\
KEY is the user's key. `%` and control characters in it are percent-encoded; so is the first character of a key that
begins with `!`, or whose first segment, up to a colon, is one of these:"""
KEYS: Final[Mapping[str, tuple[str, str]]] = {
    "stream": ("stream", "calls that are ready or run; the consumer group `workers` shares them out"),
    "queue": ("sorted set", "keys of scheduled calls, by due time"),
    "runs:KEY": ("hash", "the record of a key's latest run"),
    "KEY": ("hash", "`payload`: that of a waiting or failed call, if it has more than 64 bytes"),
    "results:KEY": ("string", "the outcome of a run that has ended"),
    "!next:KEY": ("hash", "`due`, `run`, `payload` of the successor of a running call"),
    "!past:RUN:KEY": ("hash", "the record of a run whose key has gone on to its next occurrence"),
    "!progress:KEY": ("hash", "the progress of a run: `current`, `total`, `message`, `updated_at`"),
    "!gates:KEY": ("hash", "what a call holds or waits for at its gates"),
    "!parked": ("sorted set", "keys of calls that wait in line at a gate"),
    "!held": ("sorted set", "keys of calls that are held at a strike, by arrival"),
    "concurrency:NAME": ("set", "keys of the calls that hold a slot of a limit"),
    "!line:NAME": ("sorted set", "keys of the calls that wait for such a slot, by arrival"),
    "!rate:MS:NAME": ("sorted set", "the tokens of a rate, by the time of their admission"),
    "!paced:MS:NAME": ("sorted set", "keys of the calls that wait for such a token, by arrival"),
    "!cooldown:NAME": ("string", "until when a cooldown lasts, and which run began it"),
    "!debounce:NAME": ("string", "the run that came last"),
    "!dead": ("stream", "dead letters: `died`, `reason`, `key`, `attempt`, `deliveries`, `payload`"),
    "!unknown": ("set", "keys of calls whose task no worker knew that took them"),
    "!recovered:HOLDER": ("string", "the number of a worker's latest order to get back what it has lost sight of"),
    "!heard": ("string", "when a worker was heard last, and the last silence: from when, to when"),
    "!schedules": ("hash", "of automatic tasks: `seen:KEY`, their latest definitions, and `stopped:KEY`"),
    "strikes": ("stream", "the strike log"),
    "!releases": ("hash", "strikes that were lifted while calls were held there, and how far apart those are let go"),
    "!chores": ("sorted set", "chores that claims do, by when"),
    "!fence": ("string", "the fence that was given last"),
    "!requests": ("sorted set", "runs that left no record, so that a repeated request gets its first answer"),
    "!bell": ("list", "what wakes an idle worker"),
    "!inbox:HOLDER": ("list", "what a worker must know of the calls that it runs: cancel"),
    "workers": ("sorted set", "holders, by their last heartbeat"),
    "worker-tasks:HOLDER": ("set", "the names of the tasks that a worker knows"),
    "!events:KEY": ("channel", "hints about a key: what happened, the fence, the time"),
    "!replicated": ("string", "what is written so that there is something for replicas to confirm"),
    "-": ("none", "never written; every script names it, so that a slot that moves refuses the script at once"),
}
"""What may stand behind the name of the shadow.  A test holds this list against the scripts."""
RECORD: Final[Mapping[str, str]] = {
    "state": "one of the states of [the life of a task](../life-of-a-task.md#states)",
    "run": "the run's id; of an occurrence `#` and a fence",
    "id": "its message in the stream, while it is queued or running",
    "attempt": "which attempt this is; not there for the first",
    "payload": "the payload, if it waits and has at most 64 bytes",
    "fence": "the number of the lease",
    "lease": "when the attempt began, a space, and the holder of the lease",
    "ended": "when the run ended",
    "task": "the task's name, of a run that has ended",
    "reason": "why it ended, where the state does not say it all",
    "lost": "how many leases of this attempt were lost before its message was written anew",
    "unknown": "since when no worker was found that knows the task",
    "returned": "how many times it was put back for that",
    "cancel": "somebody asked a running call to end",
    "successor": "the run that takes the key when the body has ended",
    "watched": "somebody listens to the key's events",
    "reported": "there is progress",
    "gate": "where it stands at its gates: `admitted`, `parked`, `reserved`, `settling`, `idle`; or why it is dropped",
    "strike": "the strike at which it is held",
    "definition": "of an automatic task: the word that names its schedule",
    "letter": "the dead letter that holds its payload",
    "more": "`1` if it has, or had, one of `lost`, `unknown`, `cancel`, `successor`, `watched`, `reported`, `gate`: "
    "only then does a script look for these",
}
"""The fields of a record.  A test holds this list against the scripts."""
ENTRY: Final[Mapping[str, str]] = {
    "v1": "the key, encoded as in the names of keys; the name of this field is the version of the layout",
    "payload": "the payload",
    "when": "when the call was due; missing or empty: when it was placed, which the entry's id tells",
    "attempt": "which attempt this is; missing: the first",
}
"""The fields of an entry of the stream, in this order."""


def page() -> str:
    """Return the page."""
    return "\n".join(
        [
            _HEAD,
            table(["name", "type", "holds"], [[code(name), kind, what] for name, (kind, what) in KEYS.items()]),
            _KEY,
            ", ".join(code(word) for word in sorted(keys.RESERVED)) + ".\n",
            "## The record of a run\n",
            "The fields of `runs:KEY`. All but the first may be missing.\n",
            table(["field", "holds"], [[code(name), what] for name, what in RECORD.items()]),
            "## An entry of the stream\n",
            "The first two are always there, in this order; behind them a later release may add others. An entry of a",
            "later version, such as `v2`, is left for a newer worker, and anything else is quarantined.\n",
            table(["field", "holds"], [[code(name), what] for name, what in ENTRY.items()]),
            _of("## The payload", envelope),
            "The headers that shadows writes are `traceparent` and `tracestate`, as W3C Trace Context defines them.\n",
            _of("## The outcome", outcome),
            _of("## An exception", failures),
            _of("## JSON", json),
            "The tags: " + ", ".join(code(tag) for tag in sorted(tags.readers([]))) + ".\n",
            _seals(),
        ]
    )


def _of(title: str, module: ModuleType) -> str:
    return f"{title}\n\n{body(inspect.getdoc(module) or '')}"


def _seals() -> str:
    known = [
        [code(cloudpickle.CloudpickleCodec.id), "cloudpickle"],
        [code(json.JsonCodec.id), "JSON"],
        [code(signing.Signing.id), "signed"],
        [code(encrypting.Encrypting.id), "encrypted"],
    ]
    return "\n".join(
        [
            "## Codecs and seals\n",
            "One ASCII character says how the rest of a payload or an outcome is encoded. A codec of your own may have",
            f"any other but {' and '.join(code(each) for each in travel.RESERVED)}.\n",
            table(["id", "the rest is"], known),
            inline("What is sealed begins with the id of the codec; behind that comes what the codec wrote."),
            "",
            _of("### Signed", signing),
            _of("### Encrypted", encrypting),
        ]
    )
