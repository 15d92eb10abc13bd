"""``shadows acl``."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from shadows.cli.exits import Code
from shadows.cli.options import AsJson, ShadowName, Url, shadow_of
from shadows.cli.printing import print_json

RoleName = Annotated[
    Literal["producer", "worker", "observer", "admin"], Parameter(name="--role", help="what that user shall do")
]
User = Annotated[str | None, Parameter(name="--user", metavar="NAME", help="its name (default: SHADOW-ROLE)")]


def acl(
    *, role: RoleName, user: User = None, shadows: ShadowName = None, url: Url = None, as_json: AsJson = False
) -> int:
    """Print the ACL line that lets a user do one thing with one shadow, and nothing else.

    No server is asked. Put a password in the place of PASSWORD, and give the line to redis-cli, on each node.
    """
    from shadows.adapters.redis.keys import clustered, standalone  # noqa: PLC0415 - only this command needs them
    from shadows.adapters.redis.rights import Role, rules  # noqa: PLC0415
    from shadows.core.urls import parse  # noqa: PLC0415

    shadow = shadow_of(shadows, url)
    in_cluster = parse(shadow.url).kind == "cluster"
    keys = (clustered if in_cluster else standalone)(shadow.name)
    name = user or f"{shadow.name}-{role}"
    found = rules(Role(role), keys.base, cluster=in_cluster)
    if as_json:
        print_json({"shadow": shadow.name, "role": role, "user": name, "rules": found})
    else:
        print("ACL SETUSER", name, "reset on >PASSWORD", *found)
    return Code.OK
