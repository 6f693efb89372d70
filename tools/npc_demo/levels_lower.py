"""The three lower levels of the canonical head: axis and tonsils, submandibular gland, hyoid.

See `levels_upper` for units and order.
"""

from npc_demo.shapes import Shape, circle
from npc_demo.structures import body, bone, dot, nape, vertebra, vessel

# fmt: off
AXIS = (
    *body((0, -99), (11, -97), (25, -89), (40, -76), (52, -60), (60, -42), (66, -18), (68, 6),
          (67, 28), (61, 48), (49, 64), (32, 75), (14, 79), (0, 78)),
    Shape("muscle", ((0, -96), (10, -94), (22, -87), (34, -76), (33, -73), (20, -83), (0, -91)),
          "middle"),
    Shape("muscle", ((33, -75), (39, -65), (42, -53), (41, -45), (38, -54), (35, -66))),
    # mouth: teeth in their arch, tongue
    *bone("marrow", "teeth", (0, -86), (9, -84.5), (19, -77), (26, -65), (30, -52), (32, -43),
          kind="tube", width=5.2, rim=2.2),
    Shape("tongue", ((0, -79), (9, -77), (17, -68), (22, -54), (23, -42), (19, -32), (8, -29),
          (0, -29)), "middle", group="tongue"),
    Shape("mucosa", ((14, -73), (19, -64), (23.6, -52), (24.4, -41)), "tube_pair", width=0.9,
          group="tongue"),
    Shape("fat", ((0, -74), (0, -58), (0, -44)), "tube", width=0.8, group="tongue"),
    # pharynx: wall, tonsils, palate, airway
    Shape("muscle", ((0, -33), (12, -32), (17.5, -27), (18.5, -19), (14, -11.4), (7, -9.8),
          (0, -9.6)), "middle", group="pharynx"),
    Shape("mucosa", ((0, -31.5), (10, -31), (15, -26), (15.5, -19), (11, -12.8), (6, -11.4),
          (0, -11.2)), "middle", group="pharynx"),
    Shape("adenoid", ((9.5, -30), (14, -29), (16.2, -23), (14.5, -17.5), (10.5, -17), (8.4, -23)),
          loose=1.4, group="tonsil"),
    Shape("airway", ((0, -25.5), (5.5, -27), (8.2, -23), (8.6, -18), (7, -14.6), (0, -13.6)),
          "middle", group="pharynx", loose=1.3),
    Shape("mucosa", ((0, -32), (5, -30.5), (5.5, -26.5), (2.6, -23.6), (0, -23)), "middle",
          loose=1.2 ),
    Shape("muscle", ((0, -31), (3, -30), (3, -27), (0, -25)), "middle"),
    Shape("muscle", ((1.2, -8.6), (7, -9.4), (12.5, -8), (13, -3.5), (8, -1.8), (2, -3)),
          group="longus"),
    *vertebra(y=-1.0, front=10, canal=12.5),
    # masticator space, parotid tail, vessels
    Shape("muscle", ((23, -36), (29, -38), (36, -30), (42, -18), (42, -12), (36, -13), (28, -20),
          (23.5, -28))),
    *bone("marrow", "ramus", (40, -44), (45, -33), (49, -22), (51, -13), kind="tube_pair",
          width=3.7, rim=1.3),
    Shape("muscle", ((44.5, -52), (51, -51), (58, -38), (61, -26), (59, -16), (54.5, -17),
          (52, -28), (48, -40))),
    Shape("parotid", ((54, -13), (61, -14), (66, -4), (66.5, 10), (61, 18), (53, 16), (46, 9),
          (43, 3), (48, -5)), loose=1.3, group="parotid"),
    dot("vein", 52.5, -2, 2.3),
    Shape("jugular", circle(31.5, 4.5, 5.0), loose=1.5),
    *vessel(25, -3.5, 2.9, loose=0.7),
    *vessel(34, -8, 1.5),
    dot("muscle", 39.5, 4, 3.6, 1.2),
    Shape("muscle", ((48, 21), (57, 18), (62, 24), (62, 36), (56, 42), (50, 36), (47, 28))),
    *nape(y=36, wide=49),
)
# fmt: on

# fmt: off
SUBMANDIBULAR = (
    *body((0, -90), (12, -88), (27, -79), (40, -64), (49, -46), (54, -26), (59, -4), (62, 18),
          (60, 38), (52, 54), (38, 66), (18, 72), (0, 72)),
    # mandible and floor of the mouth
    *bone("marrow", "mandible", (0, -80), (10, -78), (20, -70), (29, -57), (36, -44), (41, -32),
          kind="tube", width=4.9, rim=1.9),
    Shape("muscle", ((0, -86), (10, -84), (18, -79), (10, -82), (0, -84)), "middle"),
    Shape("muscle", ((1.2, -73), (5, -71), (8.5, -58), (9.5, -44), (7, -36), (1.2, -36)),
          group="genioglossus"),
    Shape("submandibular", ((10.5, -66), (15, -63), (19.5, -52), (18, -45), (13, -50),
          (10.5, -58)), group="sublingual"),
    Shape("muscle", ((15, -66), (20, -58), (25, -48), (27, -40), (23.5, -42), (19, -52)),
          group="mylohyoid"),
    Shape("tongue", ((0, -40), (10, -41), (16.5, -38), (17.5, -32), (13, -27), (0, -26)), "middle",
          group="base"),
    Shape("adenoid", ((0, -29.5), (9, -30), (14, -29), (13, -25.5), (0, -24.5)), "middle",
          loose=1.3, group="base"),
    Shape("muscle", ((44, -40), (49, -36), (51, -28), (47, -26), (43, -32))),
    # pharynx
    Shape("muscle", ((0, -26), (11, -27), (17, -22), (17, -15), (12, -9.4), (0, -8.2)), "middle",
          group="pharynx"),
    Shape("mucosa", ((0, -26), (10, -26.5), (15.2, -21.5), (15, -15.5), (10.5, -10.8), (0, -9.6)),
          "middle", group="pharynx"),
    Shape("airway", ((0, -24), (8.5, -24.6), (12.6, -20.6), (12.2, -16), (8, -12.6), (0, -11.8)),
          "middle", group="pharynx", loose=1.2),
    Shape("mucosa", ((0, -22.6), (5, -21.8), (8.5, -19.5)), "tube", width=1.2, group="epiglottis"),
    Shape("muscle", ((1.2, -7.4), (7, -8), (12, -6.5), (12.5, -2.5), (7, -0.8), (2, -1.8)),
          group="longus"),
    *vertebra(y=-0.2, front=10.5, canal=12),
    # glands, vessels, muscles of the side
    Shape("submandibular", ((27, -46), (34, -42), (41, -31), (44, -20), (40, -13), (33, -15),
          (28, -24), (25, -36)), loose=1.2, group="submandibular"),
    Shape("jugular", circle(34, 3.5, 5.4), loose=1.5),
    *vessel(26, -3, 3.4, loose=0.7),
    *vessel(29.5, -10.5, 2.1),
    dot("muscle", 31, -11.5, 1.0),
    dot("benign_node", 40, -7, 2.7, 1.4, loose=1.5),
    Shape("muscle", ((41, 2), (49, -2), (56, 6), (58, 19), (54, 30), (47, 27), (43, 15)),
          group="sternomastoid"),
    dot("vein", 57.4, -3, 1.4),
    *nape(y=36, wide=47),
    dot("benign_node", 46, 33, 2.0, 1.3, loose=1.5),
)
# fmt: on

# fmt: off
HYOID = (
    *body((0, -70), (13, -68), (27, -59), (39, -45), (48, -28), (55, -8), (60, 14), (60, 34),
          (53, 50), (39, 62), (19, 68), (0, 68), skin=1.8),
    Shape("muscle", ((15, -66), (27, -57), (38, -43), (46, -27), (45.2, -27), (36.8, -42.6),
          (26, -56), (15, -64.6)), loose=0.3),
    # hyoid bone and the muscles in front
    Shape("muscle", ((1.4, -62), (7, -61), (10, -56), (7, -52), (1.4, -53))),
    Shape("muscle", ((11, -60), (17, -56), (20, -49), (16, -48), (11, -54))),
    *bone("marrow", "hyoid", (0, -50), (8, -48.5), (15, -42), (20, -33), (22.5, -25), kind="tube",
          width=2.5, rim=1.1),
    Shape("muscle", ((20, -44), (24, -40), (27, -30), (24.5, -30), (21.5, -38))),
    # larynx inlet
    Shape("muscle", ((0, -30), (13, -33), (19, -26), (18.5, -17), (12, -9), (0, -7.4)), "middle",
          group="pharynx"),
    Shape("fat", ((0, -46), (8, -44), (13, -37), (12, -30), (0, -29)), "middle",
          group="preepiglottic"),
    Shape("mucosa", ((0, -31), (11, -33), (17, -26), (16.5, -18), (10.5, -10.6), (0, -9)),
          "middle", group="pharynx"),
    Shape("airway", ((0, -27.6), (8.5, -30.5), (14.2, -25.6), (13.6, -19), (11, -15.5), (8.6, -18),
          (7, -21), (6.2, -17), (0, -15.2)), "middle", group="pharynx", loose=1.2),
    Shape("cartilage", ((0, -28.6), (6, -27.6), (11, -24.5)), "tube", width=1.0, group="epiglottis"
          ),
    Shape("mucosa", ((0, -30.4), (6, -29.4), (11.6, -25.6)), "tube", width=0.9,
          group="epiglottis"),
    Shape("muscle", ((1.2, -6.6), (7, -7), (12, -5.4), (12, -1.4), (7, 0.4), (2, -0.6)),
          group="longus"),
    *vertebra(y=0.8, front=11, canal=12),
    # gland, vessels, muscles of the side
    Shape("submandibular", ((25, -48), (32, -44), (37, -34), (36, -26), (31, -26), (26.5, -34)),
          loose=1.4, group="submandibular"),
    *vessel(28, -7.5, 3.7, loose=0.7),
    Shape("jugular", circle(36, -3, 6.2), loose=1.5),
    dot("benign_node", 38.5, -13, 2.4, 1.3, loose=1.5),
    Shape("muscle", ((40, -15), (47, -18), (54, -6), (58, 7), (56, 18), (50, 17), (45, 6),
          (42, -4)), group="sternomastoid"),
    dot("vein", 55.6, -11, 1.3),
    Shape("muscle", ((16, 3), (23, 1), (31, 7), (34, 16), (29, 19), (22, 12))),
    *nape(y=37, wide=48),
    dot("benign_node", 47, 30, 1.9, 1.4, loose=1.5),
)
# fmt: on
