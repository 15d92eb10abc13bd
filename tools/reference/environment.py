"""The page of environment variables."""

from typing import Final

from shadows.core import durations
from shadows.core.readers import SIZE, SWITCH
from shadows.core.settings import PROCESS, SHADOW, WORKER, Setting
from tools.reference.command_line import offered
from tools.reference.markup import code, table

_HEAD: Final = """\
# Environment

Every variable that shadows reads. An argument or an option wins over its variable, and that over the default; an empty
variable counts as not set. [Configuration](../configuration.md) says what each setting is for and how values are
written, and `shadows config` which are in force. Where no default stands here, there is none, or one is made up when it
is needed.
"""
_PARTS: Final = (
    ("A shadow", "Every process that uses the shadow reads them.", SHADOW),
    ("A worker", "`Worker(...)` and `shadows worker` read them.", WORKER),
    ("The process around a worker", "`shadows worker` and `Worker.run(...)` read them.", PROCESS),
)


def _may_be(setting: Setting) -> str:
    if setting.reader is SWITCH:
        return "`true` or `false`"
    if setting.reader.among:
        return ", ".join(code(word) for word in setting.reader.among)
    if setting.reader.write is durations.text:
        return f"a time, for example {code(setting.example)}"
    if setting.reader is SIZE:
        return f"a size, for example {code(setting.example)}"
    return f"for example {code(setting.example)}"


def _option(setting: Setting) -> str:
    name = "--shadows" if setting is SHADOW["name"] else f"--{setting.name.replace('_', '-')}"
    of_a_shadow = setting in SHADOW.values() and setting.name not in ("name", "url")
    return code(name) if name in offered("worker") and not of_a_shadow else ""


def page() -> str:
    """Return the page: each variable with the argument and the option that win over it."""
    parts = [_HEAD]
    for title, says, settings in _PARTS:
        rows = [
            [
                code(each.variable),
                code(each.name),
                _option(each),
                _may_be(each),
                code(each.written(each.default)),
            ]
            for each in settings.values()
        ]
        head = ["variable", "argument", "option of `worker`", "may be", "default"]
        parts.append(f"\n## {title}\n\n{says}\n\n{table(head, rows)}")
    return "".join(parts)
