"""Building blocks of the canonical head: skin, bone, cavities, vessels, vertebrae.

Outlines are in millimetres (x to the left, y to the back, origin at the image centre) and painted
in the order in which they are returned.
"""

from npc_demo.shapes import Shape, circle


def body(*outline: tuple[float, float], skin: float = 2.0) -> tuple[Shape, ...]:
    """Return skin and the fat within it, from the left half of the outline of head or neck."""
    return (
        Shape("skin", outline, "middle", loose=0, group="outline"),
        Shape("fat", outline, "middle", inset=skin, loose=0, group="outline"),
    )


def bone(
    marrow: str, group: str, *points: tuple, kind: str = "pair", rim: float = 1.5, width: float = 0
) -> tuple[Shape, ...]:
    """Return a cortical outline and the marrow within it."""
    return (
        Shape("cortex", points, kind, width=width, group=group),
        Shape(marrow, points, kind, width=width, inset=rim, group=group),
    )


def cavity(content: str, group: str, *points: tuple, kind: str = "pair", lining: float = 1.0):
    """Return an air space, its mucosa and the thin bone around it."""
    return (
        Shape("cortex", points, kind, inset=-lining - 0.8, group=group),
        Shape("mucosa", points, kind, inset=-lining, group=group),
        Shape(content, points, kind, group=group),
    )


def dot(tissue: str, x: float, y: float, radius: float, aspect: float = 1.0, loose: float = 1.0):
    """Return a small ellipse on both sides."""
    return Shape(tissue, circle(x, y, radius, aspect), loose=loose)


def vessel(x: float, y: float, radius: float, loose: float = 1.0) -> tuple[Shape, ...]:
    """Return an artery on both sides: its wall and the flow void."""
    group = f"vessel {x} {y}"
    return (
        Shape("wall", circle(x, y, radius + 0.6), loose=loose, group=group),
        Shape("void", circle(x, y, radius), loose=loose, group=group),
    )


def ear(x: float, y: float) -> tuple[Shape, ...]:
    """Return the pinna: a skin fold behind the ear canal."""
    line = ((x - 5, y - 1), (x, y + 4), (x + 2.5, y + 11), (x + 1, y + 18))
    return (Shape("skin", line, "tube_pair", width=2.6, group="ear"),)


def vertebra(*, y: float, front: float, canal: float) -> tuple[Shape, ...]:
    """Return a cervical vertebra with canal, cord and vertebral arteries.

    Parameters
    ----------
    y : float
        Front edge of the body.
    front : float
        Half width of the body.
    canal : float
        Half width of the canal.
    """
    back = y + 14
    # fmt: off
    return (
        *bone("marrow", "body", (0, y), (front * 0.7, y + 0.5), (front, y + 4),
              (front * 0.95, back - 2), (front * 0.5, back), (0, back - 0.5), kind="middle",
              rim=1.2),
        *bone("marrow", "facet", (front + 1, y + 7), (front + 9, y + 9), (front + 13, y + 15),
              (front + 9, y + 20), (front + 2, y + 17), rim=1.3),
        *bone("marrow", "lamina", (0, y + 37), (6, y + 33), (canal + 4, y + 25),
              (front + 6, y + 18), kind="tube", width=2.6, rim=1.2),
        *bone("marrow", "spine", (0, y + 35), (3, y + 38), (5, y + 46), (2, y + 48), (0, y + 46),
              kind="middle", rim=1.2),
        Shape("csf", ((0, back + 1), (canal - 2, back + 1.4), (canal, back + 6),
              (canal - 2, back + 13), (0, back + 16.5)), "middle", group="canal"),
        Shape("cord", ((0, back + 4.5), (5, back + 5), (7, back + 8), (5, back + 11),
              (0, back + 11.8)), "middle", group="canal"),
        *vessel(front + 6, y + 7.5, 1.9),
    )
    # fmt: on


# fmt: off
NAPE_HALF_WIDTH = 50
NAPE = (  # of a neck this wide; y from the depth of the first layer
    ((6, 6), (12, -4), (22, -8), (27, -2), (20, 8), (8, 11)),
    ((4, 13), (12, 12), (24, 7), (33, 5), (34, 13), (22, 22), (8, 26), (3, 24)),
    ((31, -1), (38, -3), (43, 7), (38, 17), (27, 25), (18, 27), (30, 18), (36, 8)),
    ((2, 29), (14, 29.5), (28, 27), (37, 20), (44, 10), (45.5, 12), (38, 25), (26, 32), (12, 34),
     (2, 32)),
    ((28, -20), (34, -22), (39, -14), (36, -7), (30, -8)),
)
AT_MIDLINE = 8  # muscles begin there at the same distance from it, however wide the neck is
# fmt: on


def nape(*, y: float, wide: float) -> tuple[Shape, ...]:
    """Return the muscle layers behind a cervical vertebra (`y`: depth of the first layer)."""
    k = wide / NAPE_HALF_WIDTH
    return tuple(
        Shape("muscle", tuple((x if x <= AT_MIDLINE else x * k, y + depth) for x, depth in layer))
        for layer in NAPE
    )
