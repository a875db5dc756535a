"""Calls from one deployment to another: cancelled with whoever waits for them, and their losses as refusals."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentResponse

from clipsum.serving.refusals import RefusedError, refused_reason

RETRY_S = 2.0


async def result_of(response: DeploymentResponse[Any]) -> Any:
    """What a call gives. Where this is cancelled, so is the call."""
    try:
        return await response
    except BaseException:
        response.cancel()
        raise


@contextmanager
def losses_told() -> Iterator[None]:
    """A full queue or a replica that is lost, as the refusal that says when to ask again."""
    try:
        yield
    except BackPressureError as error:
        raise RefusedError(503, "overloaded", "too many requests at once", RETRY_S) from error
    except (DeploymentUnavailableError, RequestCancelledError) as error:
        raise refused_reason("worker_died") from error
    except RayError as error:
        if isinstance(error, RayTaskError):  # raised by our own code there
            raise
        raise refused_reason("worker_died") from error
