"""`clipsum serve --bundle B`: summaries by request, on replicas that scale by themselves."""

import errno
import os
import signal
import socket
import threading
from typing import Annotated

import typer
from rich.console import Console

from clipsum.config import DEFAULT_BUNDLE, load
from clipsum.errors import UsageError
from ray_jobs.options import Address, BundleName, ConfigFile, SetValues

APP = "clipsum"


def serve(
    bundle: BundleName = DEFAULT_BUNDLE,
    host: Annotated[
        str | None,
        typer.Option(help="Where to listen; beyond this machine only with keys.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8000,
    config: ConfigFile = None,
    settings: SetValues = None,
    address: Address = None,
) -> int:
    """Summarise by request: POST /v1/summaries, and a page at /."""
    from ray_jobs.cluster import connected, local_of
    from ray_jobs.serving.app import build
    from ray_jobs.serving.config import ServeConfig
    from ray_jobs.serving.places import check_uploads, held, local_places, located
    from ray_jobs.serving.proxy import environment, refuse_unguarded, start
    from ray_jobs.serving.running import refuse_running, running

    named = [] if bundle == DEFAULT_BUNDLE else [f"bundle={bundle}"]
    named += [f"host={host}"] if host else []
    loaded = located(load(ServeConfig, config, [*named, *(settings or [])], base=ServeConfig(host="127.0.0.1")))
    host = loaded.host
    _refuse_taken(host, port)
    check_uploads(loaded)
    ended = threading.Event()
    os.environ.update(environment(loaded.upload_bytes))
    with held(loaded.state), connected(address, local_of(local_places(loaded))):
        app = build(loaded)  # first: what is wrong in the call is told wherever it is made
        refuse_running()
        refuse_unguarded()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())  # whoever ends a service so waits for it to drain
        start(host, port, loaded.deadline_s)
        with running(app, APP, loaded.drain_s):
            Console().print(f"serving {loaded.bundle} at http://{host}:{port} until Ctrl-C", highlight=False)
            ended.wait()
    return 0


def _refuse_taken(host: str, port: int) -> None:
    """Raises: UsageError where somebody listens there already: Serve would begin all the same."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            said = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
            raise UsageError(f"port {port} of '{host}' {said}: name another with --port") from error


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("serve")
