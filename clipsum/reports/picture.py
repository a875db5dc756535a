"""Thumbnails: what may be shown of them, and how large."""

import io
from typing import Any

from PIL import Image

MAX_JPEG_BYTES = 64 * 1024
SMALLEST_PX = 144
TALLEST_PX = 160


def jpeg_size(data: Any) -> tuple[int, int] | None:
    """Width and height of a JPEG, from its header; None for what is none or is too large to be a thumbnail."""
    if not isinstance(data, bytes) or len(data) > MAX_JPEG_BYTES:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return image.size
    except (OSError, SyntaxError, Image.DecompressionBombError):  # what Pillow raises for a damaged header
        return None


def shown_size(width: int, height: int) -> tuple[int, int]:
    """Pixels on the page: small pictures are enlarged, tall ones made smaller, in proportion."""
    scale = min(max(1.0, SMALLEST_PX / height), TALLEST_PX / height)
    return max(1, round(width * scale)), round(height * scale)
