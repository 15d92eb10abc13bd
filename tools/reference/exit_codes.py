"""The page of exit codes."""

from signal import Signals

from shadows.cli import exits
from tools.reference.markup import sentence, table, told


def page() -> str:
    """Return the page."""
    words = told(exits.__name__, "Code")
    rows = [[str(code.value), f"`{code.name}`", sentence(words[code.name])] for code in exits.Code]
    forced = [
        [str(exits.forced_by(signal)), f"`{signal.name}`", f"{what} forced the end; of a worker, a second one"]
        for signal, what in ((Signals.SIGINT, "Ctrl-C"), (Signals.SIGTERM, "SIGTERM"))
    ]
    return (
        "# Exit codes\n\n"
        "How `shadows` ends, for scripts. [Commands](command-line.md) says what some of them do with these codes.\n\n"
        + table(["code", "name", "says"], [*rows, *forced])
    )
