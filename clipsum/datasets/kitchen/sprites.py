"""Silhouettes of the toy kitchen as tables of shapes on a 100 x 100 grid, y down; drawn large, used small.

The silhouette alone carries identity: a sprite is a mask, and its colour is drawn anew for every step.
"""

import math
from functools import cache

from PIL import Image, ImageDraw

# (kind, coordinates, width): e ellipse, p polygon, r rounded box, l line, h half disc above, b half disc below.
# A capital letter cuts a hole of the same kind.
Shape = tuple[str, tuple[float, ...], float]
BASE_PX = 200


def _dots(kind: str, radius: float, *centres: tuple[float, float]) -> list[Shape]:
    return [(kind, (x - radius, y - radius, x + radius, y + radius), 0) for x, y in centres]


def _wave(y: float) -> Shape:
    return ("l", tuple(v for x in range(4, 97, 4) for v in (x, y + 9 * math.sin(x / 8.0))), 11)


def _star(points: int, outer: float, inner: float) -> Shape:
    radii = (outer, inner)
    angles = [(radii[k % 2], math.pi * k / points) for k in range(2 * points)]
    return ("p", tuple(v for r, a in angles for v in (50 + r * math.sin(a), 50 - r * math.cos(a))), 0)


SHAPES: dict[str, list[Shape]] = {
    "onion": [
        ("e", (14, 34, 86, 98), 0),
        ("p", (30, 44, 50, 14, 70, 44), 0),
        ("l", (50, 26, 34, 0), 7),
        ("l", (50, 26, 66, 0), 7),
    ],
    "carrot": [
        ("p", (26, 30, 74, 30, 50, 100), 0),
        ("l", (50, 32, 24, 4), 9),
        ("l", (50, 32, 50, 0), 9),
        ("l", (50, 32, 76, 4), 9),
    ],
    "mushroom": [("h", (2, 6, 98, 98), 0), ("r", (36, 48, 64, 98), 8)],
    "banana": [("e", (2, 0, 98, 92), 0), ("E", (12, -44, 112, 60), 0)],
    "apple": [
        ("e", (6, 30, 60, 98), 0),
        ("e", (40, 30, 94, 98), 0),
        ("l", (50, 36, 50, 12), 8),
        ("e", (52, 2, 90, 20), 0),
    ],
    "cherry": [
        *_dots("e", 20, (22, 78), (78, 72)),
        ("l", (22, 70, 58, 4), 8),
        ("l", (78, 64, 58, 4), 8),
    ],
    "fish": [("e", (0, 26, 74, 76), 0), ("p", (60, 51, 100, 18, 100, 84), 0), *_dots("E", 6, (18, 46))],
    "egg": [("e", (22, 6, 78, 96), 0)],
    "cheese": [("p", (2, 64, 98, 14, 98, 88, 2, 88), 0), *_dots("E", 9, (34, 70), (62, 52), (80, 74))],
    "bread": [("r", (12, 36, 88, 96), 6), ("e", (0, 8, 56, 56), 0), ("e", (44, 8, 100, 56), 0)],
    "lemon": [("e", (14, 24, 86, 78), 0), ("p", (0, 51, 24, 36, 24, 66), 0), ("p", (100, 51, 76, 36, 76, 66), 0)],
    "corn": [
        ("e", (36, 0, 64, 86), 0),
        ("p", (50, 100, 4, 34, 40, 66), 0),
        ("p", (50, 100, 96, 34, 60, 66), 0),
        ("L", (36, 24, 64, 24), 4),
        ("L", (36, 42, 64, 42), 4),
    ],
    "grape": [
        *_dots("e", 13, (13, 26), (38, 26), (62, 26), (87, 26), (25, 48), (50, 48), (75, 48), (38, 69), (62, 69)),
        *_dots("e", 12, (50, 88)),
        ("l", (50, 20, 50, 0), 8),
    ],
    "broccoli": [
        *_dots("e", 19, (19, 42), (50, 20), (81, 42)),
        ("l", (50, 98, 50, 24), 13),
        ("l", (50, 84, 20, 44), 12),
        ("l", (50, 84, 80, 44), 12),
    ],
    "shrimp": [
        ("e", (4, 6, 92, 94), 0),
        ("E", (32, 34, 66, 66), 0),
        ("P", (50, 50, 110, 26, 110, 70), 0),
        ("l", (80, 20, 100, 4), 7),
    ],
    "noodle": [_wave(20), _wave(50), _wave(80)],
    "butter": [("r", (2, 30, 98, 80), 3), ("L", (66, 30, 66, 80), 6)],
    "anise": [_star(7, 50, 19)],
    "pineapple": [
        ("e", (22, 38, 78, 100), 0),
        ("p", (34, 50, 8, 16, 34, 26, 50, 0, 66, 26, 92, 16, 66, 50), 0),
        ("L", (26, 58, 66, 98), 5),
        ("L", (74, 58, 34, 98), 5),
    ],
    "chicken": [("e", (0, 0, 66, 62), 0), ("l", (46, 44, 84, 84), 15), *_dots("e", 12, (88, 76), (76, 88))],
    "leek": [
        ("r", (42, 36, 58, 100), 4),
        ("p", (44, 60, 0, 14, 22, 16, 42, 40), 0),
        ("p", (56, 60, 100, 14, 78, 16, 58, 40), 0),
        ("p", (42, 44, 40, 0, 60, 0, 58, 44), 0),
    ],
    "rice": _dots(
        "e",
        7,
        *((50, 12), (30, 34), (66, 30), (14, 58), (42, 56), (70, 54), (92, 62), (8, 84), (30, 82), (54, 80), (78, 84)),
    ),
    "melon": [("b", (0, -40, 100, 84), 0), *_dots("E", 5, (26, 40), (50, 46), (74, 40), (50, 66))],
    "milk": [
        ("r", (26, 42, 74, 100), 6),
        ("p", (26, 48, 40, 24, 60, 24, 74, 48), 0),
        ("r", (36, 0, 64, 16), 3),
        ("r", (42, 10, 58, 30), 0),
        ("L", (26, 62, 74, 62), 5),
    ],
    "knife": [("p", (54, 0, 72, 26, 72, 62, 30, 62, 30, 36), 0), ("r", (40, 67, 62, 100), 5)],
    "spoon": [("e", (26, 0, 74, 52), 0), ("l", (50, 46, 50, 100), 13)],
    "fork": [
        ("l", (50, 48, 50, 100), 13),
        ("r", (16, 36, 84, 54), 6),
        ("l", (22, 0, 22, 44), 12),
        ("l", (50, 0, 50, 44), 12),
        ("l", (78, 0, 78, 44), 12),
    ],
    "whisk": [
        ("e", (16, 0, 84, 66), 0),
        ("E", (25, 9, 44, 57), 0),
        ("E", (56, 9, 75, 57), 0),
        ("l", (50, 60, 50, 100), 13),
    ],
    "pan": [
        ("e", (0, 0, 68, 68), 0),
        ("E", (12, 12, 56, 56), 0),
        ("e", (20, 20, 48, 48), 0),
        ("l", (56, 56, 96, 96), 15),
    ],
    "pot": [
        ("r", (14, 42, 86, 94), 8),
        ("h", (14, 14, 86, 56), 0),
        *_dots("e", 8, (50, 10)),
        ("r", (0, 52, 100, 64), 4),
        ("L", (14, 39, 86, 39), 6),
    ],
    "cleaver": [("r", (6, 2, 72, 60), 3), ("l", (62, 56, 62, 100), 15), *_dots("E", 7, (22, 16))],
    "grater": [
        ("p", (32, 16, 68, 16, 92, 100, 8, 100), 0),
        ("r", (30, 0, 70, 20), 8),
        ("R", (40, 6, 60, 14), 3),
        *_dots("E", 6, (40, 40), (60, 40), (32, 62), (50, 62), (68, 62), (28, 84), (50, 84), (72, 84)),
    ],
    "roller": [("r", (18, 26, 82, 74), 6), ("r", (0, 41, 100, 59), 5)],
    "funnel": [("p", (0, 4, 100, 4, 60, 52, 60, 98, 40, 98, 40, 52), 0)],
}


@cache
def silhouette(name: str) -> Image.Image:
    """The mask of an ingredient or tool, BASE_PX square, mode L."""
    mask = Image.new("L", (BASE_PX, BASE_PX), 0)
    draw = ImageDraw.Draw(mask)
    for shape in SHAPES[name]:
        _draw(draw, shape)
    return mask


def _draw(draw: ImageDraw.ImageDraw, shape: Shape) -> None:
    kind, grid, size = shape
    unit = BASE_PX / 100
    at = [value * unit for value in grid]
    fill = 0 if kind.isupper() else 255
    match kind.lower():
        case "e":
            draw.ellipse(at, fill=fill)
        case "p":
            draw.polygon(at, fill=fill)
        case "r":
            draw.rounded_rectangle(at, radius=size * unit, fill=fill)
        case "l":
            draw.line(at, fill=fill, width=round(size * unit), joint="curve")
        case "h":
            draw.pieslice(at, 180, 360, fill=fill)
        case "b":
            draw.pieslice(at, 0, 180, fill=fill)
