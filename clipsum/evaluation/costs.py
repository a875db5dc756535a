"""What a bundle costs: its parameters, and the memory of this process at its highest."""

import torch
from torch import nn

from clipsum.errors import UsageError
from clipsum.models.bundle import Bundle


def count_parameters(bundle: Bundle) -> dict[str, int | None]:
    """Parameters of each part, and `total`; the encoder's is None where its weights cannot be had here.

    `fusion` holds the projection from frames to BART too. BART's embeddings, which it uses twice, count once.
    """
    model = bundle.model
    parts: dict[str, int | None] = {
        "encoder": _encoder(bundle),
        "temporal": _count(model.temporal) if model.temporal is not None else 0,
        "fusion": _count(model.fusion) + _count(model.project),
        "bart": _count(model.bart),
        "scorer": _count(model.scorer) if model.scorer is not None else 0,
    }
    known = [count for count in parts.values() if count is not None]
    return parts | {"total": sum(known) if len(known) == len(parts) else None}


def peak_memory(process_bytes: int) -> dict[str, int]:
    """What this process held at most since its start, and, in bytes too, a GPU for it where there is one."""
    found = {"process": process_bytes}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.max_memory_allocated()
    return found


def _encoder(bundle: Bundle) -> int | None:
    try:
        return bundle.encoder().parameters
    except UsageError:
        return None


def _count(module: nn.Module) -> int:
    return sum(weights.numel() for weights in module.parameters())
