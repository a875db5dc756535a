"""Serve on a cluster is one for all who use it: we begin it, and so may end it, or we leave it alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.exceptions import RayServeException

from clipsum.errors import RunError, UsageError, short

CONTROLLER, NAMESPACE = "SERVE_CONTROLLER_ACTOR", "serve"
ASKING_S = 10.0
log = logging.getLogger(__name__)


def refuse_running() -> None:
    """Raises: UsageError where Serve runs on this cluster already: it would keep its own address and let others in."""
    try:
        ray.get_actor(CONTROLLER, namespace=NAMESPACE)
    except ValueError:
        return
    raise UsageError(
        "Serve runs on this cluster already, with an address and applications of its own: "
        "use `serve deploy cluster/serve.yaml` there, or another cluster"
    )


@contextmanager
def running(app: Application, name: str, drain_s: float) -> Iterator[None]:
    """Serve for as long as the context lasts, drain, and end Serve. Raises: RunError where it does not start."""
    try:
        try:
            serve.run(app, name=name, route_prefix="/")
        except RuntimeError as error:  # the replicas' own errors are in Serve's log
            raise RunError(f"the service did not start: {short(error)}") from error
        try:
            yield
        finally:
            drain(name, drain_s)
    finally:
        end()


def end() -> None:
    """End Serve, in silence."""
    with redirect_stdout(StringIO()):  # Ray complains of calls to Serve's controller, which end with it
        serve.shutdown()


def drain(app: str, within_s: float) -> None:
    """Let no more requests in, and wait for the answers of those that are: Serve's own end cuts them off."""
    try:
        ingress = serve.get_deployment_handle("Ingress", app)
        ingress.broadcast("drain", within_s).results(timeout_s=within_s + ASKING_S)
    except (RayError, RayServeException, TimeoutError) as error:
        log.warning("the service ends without waiting for its requests: %s", type(error).__name__)
