"""`clipsum serve-key NAME >> keys.toml`: a new API key. The file gets its hash; the key itself is shown this once."""

import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from clipsum.errors import one_of, wrong_value


def serve_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is: jobs belong to this name.")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="summarize, jobs, admin; may be repeated. The first two, if none."),
    ] = None,
) -> int:
    """Make an API key: its section of the file of keys on stdout, the key itself on stderr."""
    from clipsum.serving.keys import ALL_SCOPES, SCOPES, ApiKey, new_key, toml_of

    for each in scope or ():
        if each not in ALL_SCOPES:
            raise one_of(each, ALL_SCOPES, "--scope")
    try:
        secret, key = new_key(name, [each for each in ALL_SCOPES if each in (scope or SCOPES)])
    except ValidationError as error:
        raise wrong_value(error, ApiKey) from error
    print(toml_of(key), flush=True)
    print(f"the key of {name}, shown this once: {secret}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("serve-key")
