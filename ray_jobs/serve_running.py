"""Serve on a cluster is one for all who use it: we begin it, and so may end it, or we leave it alone."""

import ray

from clipsum.errors import UsageError

CONTROLLER, NAMESPACE = "SERVE_CONTROLLER_ACTOR", "serve"


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
