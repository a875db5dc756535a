"""An empty graph of the service's shape: what a request costs on its way through three deployments that do nothing."""

from typing import Any

from fastapi import FastAPI, Request
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle


def empty_graph() -> Application:
    """Ingress, decode and summarize that hand something on and do nothing."""
    few: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0.05}}
    decode, summarize = (serve.deployment(Nothing, name=name, **few).bind() for name in ("Decode", "Summarize"))
    return serve.deployment(serve.ingress()(EmptyIngress), name="Ingress", **few).bind(decode, summarize)


class Nothing:
    """A part that gives back what it gets."""

    async def __call__(self, item: int) -> int:
        """The same."""
        return item


class EmptyIngress:
    """Reads a request and sends a number through both parts."""

    def __init__(self, decode: DeploymentHandle[Any], summarize: DeploymentHandle[Any]) -> None:
        self._decode, self._summarize = decode, summarize

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Serve asks for the app by this name."""
        app = FastAPI()

        @app.post("/v1/summaries")  # where the proxies take a large body
        async def pass_on(request: Request) -> dict[str, float]:
            size = await self._decode.remote(len(await request.body()))
            return {"bytes": float(await self._summarize.remote(size))}

        return app
