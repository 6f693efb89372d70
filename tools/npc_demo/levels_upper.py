"""The four upper levels of the canonical head: sella, sphenoid sinus, fossa of Rosenmueller, atlas.

Outlines in millimetres (x to the left, y to the back, origin at the image centre), in the order in
which they are painted: fat fills the skin first, so every gap between structures is a fat plane.
"""

from __future__ import annotations

from npc_demo.shapes import Shape, circle
from npc_demo.structures import body, bone, cavity, dot, ear, vessel

# fmt: off
SELLA = (
    *ear(80, 8),
    *body((0, -98), (12, -97), (28, -92), (46, -82), (60, -66), (69, -46), (75, -20), (78, 8),
          (78, 34), (73, 60), (60, 82), (40, 96), (19, 101), (0, 102)),
    # temporal muscle, skull
    Shape("muscle", ((55, -64), (63, -54), (69.5, -32), (73.5, -10), (74, 2), (69.5, -8),
          (63.5, -34))),
    *bone("diploe", "skull", (0, -92), (14, -91), (30, -86), (44, -77), (52, -62), (60, -38),
          (66.5, -10), (71, 14), (70.5, 40), (64.5, 62), (52, 80), (33, 92), (14, 96), (0, 97),
          kind="middle", rim=1.8),
    Shape("mucosa", ((1.4, -88.5), (7, -88.5), (13, -85), (9, -81.5), (1.4, -82)), inset=-0.9,
          group="frontal_sinus", loose=1.6),
    Shape("sinus_air", ((1.4, -88.5), (7, -88.5), (13, -85), (9, -81.5), (1.4, -82)),
          group="frontal_sinus", loose=1.6),
    # roof of the orbit: fat, levator and upper rectus, lacrimal gland
    Shape("cortex", ((18, -75), (30, -80), (43, -72), (47, -60), (39, -50), (27, -46), (18, -58)),
          group="orbit"),
    Shape("fat", ((18, -75), (30, -80), (43, -72), (47, -60), (39, -50), (27, -46), (18, -58)),
          inset=1.3, group="orbit"),
    Shape("muscle", ((25, -73), (34, -74), (35.5, -63), (31, -51), (27, -52), (25, -62)),
          group="orbit"),
    dot("submandibular", 41, -67, 2.8, 1.5),
    # straight gyri of the frontal lobes
    Shape("csf", ((0, -79), (9, -79), (14, -70), (15, -52), (12, -39), (0, -36)), "middle",
          group="frontal"),
    Shape("grey_matter", ((1.1, -77), (8.5, -78), (13, -69), (14, -52), (11, -40.5), (1.1, -38)),
          group="frontal"),
    # middle fossa with the temporal horn
    Shape("csf", ((22, -34), (36, -43), (48, -42), (57, -30), (63, -6), (65, 13), (58, 23),
          (46, 22), (34, 13), (25, 2), (21, -14)), group="temporal"),
    Shape("grey_matter", ((22, -34), (36, -43), (48, -42), (57, -30), (63, -6), (65, 13),
          (58, 23), (46, 22), (34, 13), (25, 2), (21, -14)), inset=0.9, group="temporal"),
    Shape("white_matter", ((40, -20), (48, -24), (54, -10), (55, 6), (48, 12), (43, 0)), loose=1.3,
          group="temporal"),
    Shape("csf", ((35, 1), (37.5, 2), (40, 10), (39.5, 14), (36.5, 8)), group="temporal"),
    # sella: planum, pituitary gland, cavernous sinus with both limbs of the carotid, dorsum
    *bone("clivus", "planum", (0, -36), (11, -36), (18, -33), (13, -28.5), (0, -28.5),
          kind="middle", rim=1.2),
    Shape("vein", ((8, -27), (14, -28.5), (18.5, -23), (19.5, -12), (16, -6), (10.5, -8),
          (8, -17)), group="cavernous"),
    Shape("csf", ((0, -28), (6, -27.4), (8.4, -21.5), (7, -15.4), (0, -14)), "middle",
          group="sella"),
    Shape("pituitary", ((0, -26), (5.4, -25.6), (7.6, -21.5), (6.2, -16.4), (0, -15)), "middle",
          group="sella", loose=1.2),
    *vessel(13.2, -22.5, 2.5),
    *vessel(13.6, -12.5, 2.3),
    *bone("clivus", "dorsum", (0, -13.6), (8, -13.2), (11, -9.5), (8, -6.4), (0, -6.2),
          kind="middle", rim=1.1),
    # posterior fossa: pons, fourth ventricle, cerebellum, tentorium, sinuses
    Shape("csf", ((0, -5.4), (10, -5), (17, 3), (29, 17), (45, 29.5), (59.5, 41), (61, 54),
          (53, 70), (36, 84), (16, 91), (0, 91)), "middle", group="fossa"),
    Shape("cerebellum", ((0, 34), (8, 30), (17, 21), (29, 20.5), (45, 31.5), (58, 43), (59, 54),
          (51.5, 69), (35, 82.4), (16, 89), (3, 88.5), (0, 86)), "middle", group="fossa"),
    Shape("white_matter", ((11, 37), (22, 33), (34, 40), (33, 49), (22, 52), (12, 47)),
          group="fossa"),
    Shape("white_matter", ((0, 0.5), (8, 0), (14.5, 5), (16, 14), (12, 22), (6, 25), (0, 26)),
          "middle", group="pons"),
    Shape("csf", ((0, 24.5), (3.6, 25.4), (4.6, 29), (2, 32), (0, 33)), "middle", group="pons"),
    Shape("void", circle(0.6, -2.6, 1.7), "single"),
    Shape("wall", ((17, 2.5), (30, 16.5), (46, 28.5), (60, 40)), "tube_pair", width=0.7,
          group="tentorium"),
    Shape("vein", ((60.5, 42), (65, 45), (64.5, 55), (60, 58), (59.5, 50))),
    Shape("vein", circle(0, 91.5, 3.0, 0.8), "single"),
)
# fmt: on

# fmt: off
SPHENOID = (
    *ear(80, 4),
    *body((0, -101), (7, -99), (11, -90), (20, -84), (36, -83), (52, -74), (63, -58), (69, -36),
          (73, -12), (76, 12), (76, 34), (71, 58), (58, 80), (38, 94), (18, 99), (0, 100)),
    # temporal muscle outside the skull, facial muscles in front
    Shape("muscle", ((55, -50), (63, -40), (68, -22), (71, -2), (68, 4), (63, -10), (58, -28))),
    Shape("muscle", ((14, -93), (28, -86), (44, -80), (55, -68), (44, -76), (28, -82))),
    # skull of the middle and posterior fossa
    *bone("diploe", "skull", (0, -26), (16, -34), (34, -43), (48, -40), (59, -26), (65, -6),
          (69, 14), (69, 36), (63, 58), (50, 76), (32, 88), (14, 93), (0, 94), kind="middle",
          rim=1.8),
    # orbit: fat cone, globe, muscles, nerve
    *bone("diploe", "orbit_wall", (36, -75), (48, -69), (54, -56), (49, -46), (40, -38),
          (44, -52)),
    Shape("cortex", ((14, -81), (34, -82), (46, -66), (38, -46), (26, -35), (15, -46)),
          group="orbit"),
    Shape("fat", ((14, -81), (34, -82), (46, -66), (38, -46), (26, -35), (15, -46)), inset=1.3,
          group="orbit"),
    Shape("muscle", ((17, -70), (19, -56), (24, -42), (22, -54), (19, -68)), group="orbit"),
    Shape("muscle", ((43, -66), (38, -52), (28, -40), (34, -51), (40, -64)), group="orbit"),
    Shape("muscle", ((27, -58), (33, -57), (29, -43), (25, -40)), group="orbit"),
    Shape("cortex", circle(29.5, -72, 11.6), group="globe"),
    Shape("fluid", circle(29.5, -72, 10.6), group="globe"),
    Shape("lens", circle(29.5, -80, 4.0, 0.5), group="globe"),
    # nose and ethmoid
    Shape("cartilage", ((0, -97), (5, -93), (8, -83), (0, -80)), "middle"),
    Shape("mucosa", ((0, -84), (8, -82), (12, -66), (14, -48), (13, -34), (0, -32)), "middle",
          group="ethmoid"),
    Shape("sinus_air", ((2, -78), (4, -79), (4, -66), (4.5, -46), (2, -44), (1.8, -60)),
          group="ethmoid"),
    Shape("sinus_air", circle(8.3, -74, 2.8, 1.2), group="ethmoid"),
    Shape("sinus_air", circle(9.2, -65.5, 3.0, 1.1), group="ethmoid"),
    Shape("sinus_air", circle(9.8, -56, 3.4, 1.2), group="ethmoid"),
    Shape("sinus_air", circle(9.5, -45, 3.5, 1.5), group="ethmoid"),
    # sphenoid sinus with its septum, clivus behind it
    *bone("clivus", "clivus", (0, -9), (10, -10), (16, -4), (15, 6), (11, 11), (0, 12),
          kind="middle", rim=1.2),
    Shape("cortex", ((0, -33), (11, -33), (16, -23), (14, -10), (0, -6)), "middle", inset=-1.0,
          group="sphenoid"),
    Shape("mucosa", ((0, -33), (11, -33), (16, -23), (14, -10), (0, -6)), "middle",
          group="sphenoid"),
    Shape("sinus_air", ((1.2, -31), (10, -31), (14.5, -23), (12, -11.5), (2, -8.5)), loose=1.4,
          group="sphenoid"),
    # middle fossa
    Shape("csf", ((25, -30), (38, -39), (50, -35), (58, -20), (62, -2), (60, 9), (48, 12), (36, 6),
          (26, -4), (23, -16)), group="temporal"),
    Shape("grey_matter", ((25, -30), (38, -39), (50, -35), (58, -20), (62, -2), (60, 9), (48, 12),
          (36, 6), (26, -4), (23, -16)), inset=0.9, group="temporal"),
    # cavernous sinus, Meckel cave, carotid
    Shape("vein", ((16, -22), (22, -18), (23, -6), (20, 3), (15, 2), (15, -10))),
    dot("csf", 20.5, 0, 2.6, 1.4),
    *vessel(18.6, -10, 2.7),
    # petrous bone: marrow at the apex, labyrinth, air cells
    *bone("clivus", "petrous", (17, 4), (26, 6), (38, 11), (50, 14), (64, 16), (66, 30), (58, 36),
          (46, 26), (34, 18), (20, 12), rim=1.6),
    Shape("cortex", ((30, 10), (40, 12), (50, 15), (54, 22), (44, 22), (34, 16)), group="petrous"),
    dot("fluid", 36.5, 13.5, 2.1, 0.8),
    dot("fluid", 43, 17, 1.8),
    dot("fluid", 46.5, 19.5, 1.3),
    Shape("mastoid_air", ((53, 17), (63, 17), (66, 26), (63, 38), (56, 35), (52, 26))),
    Shape("sinus_air", circle(52, 13, 2.6, 0.8)),
    # posterior fossa
    Shape("csf", ((0, 13), (10, 13), (19, 17), (30, 25), (44, 34), (55, 41), (56.5, 52), (49, 66),
          (34, 79), (16, 86), (0, 86)), "middle", group="fossa"),
    Shape("cerebellum", ((0, 45), (8, 42), (19, 32), (30, 28.5), (43, 36), (53, 43), (54.5, 53),
          (47.5, 66), (33, 77.5), (15, 84), (3, 83), (0, 80)), "middle", group="fossa"),
    Shape("white_matter", ((11, 33), (22, 35), (22, 41), (12, 42), (9, 38)), group="fossa"),
    Shape("white_matter", ((0, 16), (8, 15.5), (14, 19), (16, 26), (13, 34), (6, 37), (0, 38)),
          "middle", group="pons"),
    Shape("csf", ((0, 36.5), (6, 37.5), (7, 41), (3, 45), (0, 46)), "middle", group="pons"),
    Shape("void", circle(0.8, 14, 1.7), "single"),
    Shape("vein", ((57, 41), (61, 44), (61, 53), (56, 55), (56, 48))),
    Shape("vein", circle(0, 86.5, 3.0, 0.8), "single"),
    *bone("diploe", "zygoma", (50, -62), (59, -52), (62, -42), (56, -44), (50, -54), rim=1.1),
)
# fmt: on

# fmt: off
ROSENMUELLER = (
    *ear(77, 10),
    *body((0, -106), (7, -103), (12, -92), (20, -84), (36, -79), (50, -70), (60, -54), (67, -34),
          (72, -10), (74, 12), (73, 36), (65, 60), (50, 79), (30, 90), (12, 94), (0, 94)),
    # nose
    Shape("cartilage", ((0, -101), (4, -98), (9, -90), (11, -84), (0, -80)), "middle"),
    Shape("airway", circle(4.8, -90, 2.3, 2.0)),
    # face
    Shape("muscle", ((18, -80), (30, -78), (44, -72), (32, -74), (20, -77))),
    *bone("marrow", "zygoma", (38, -72), (50, -66), (60, -50), (57, -46), (48, -56), (38, -63)),
    *bone("marrow", "arch", (59, -50), (65, -38), (67, -22), (66, -12), kind="tube_pair",
          width=2.6, rim=1.2),
    # maxillary sinus
    *cavity("sinus_air", "antrum", (14, -72), (27, -73), (38, -66), (41, -55), (31, -43),
          (19, -42), (14, -54), lining=1.1),
    # nasal cavity: septum and turbinates
    Shape("cortex", ((0, -84), (9, -80), (12.5, -66), (13, -50), (12, -36), (0, -34)), "middle",
          inset=-0.8, group="nose"),
    Shape("mucosa", ((0, -84), (9, -80), (12.5, -66), (13, -50), (12, -36), (0, -34)), "middle",
          group="nose"),
    Shape("airway", ((1.7, -82), (6, -79), (9.5, -72), (10.8, -56), (10.3, -38), (8, -35),
          (1.7, -35), (1.6, -58)), group="nose"),
    Shape("mucosa", ((4.2, -77), (8, -76), (9.8, -68), (9.4, -57), (8.4, -46), (6.4, -39),
          (4.8, -45), (4.6, -56), (3, -64), (2.8, -72)), group="turbinate", loose=2),
    Shape("cortex", ((7.4, -69), (6.9, -58), (6.6, -49)), "tube_pair", width=0.4,
          group="turbinate"),
    # clivus and skull of the posterior fossa
    *bone("diploe", "skull", (0, 15), (14, 17), (32, 13), (50, 16), (63, 22), (66, 38), (60, 58),
          (44, 75), (24, 85), (0, 88), kind="middle", rim=1.8),
    *bone("clivus", "clivus", (0, 3.5), (9, 3), (15, 7), (17, 12), (12, 18), (0, 18.5),
          kind="middle", rim=1.3),
    *bone("clivus", "petrous", (17, 12), (26, 11), (36, 15), (44, 20), (38, 26), (26, 21),
          (18, 17), rim=1.4),
    Shape("mastoid_air", ((48, 18), (58, 16), (65, 24), (63, 38), (54, 38), (47, 28))),
    Shape("airway", ((57, 5), (68, 7), (75, 9), (68, 10.5), (57, 9.5)), group="canal"),
    Shape("csf", ((0, 20.5), (10, 20.5), (18, 25), (32, 29), (45, 36), (51.5, 43), (50, 54),
          (39, 67.5), (21, 77), (0, 79)), "middle", group="fossa", loose=0.4),
    Shape("cerebellum", ((2.6, 46), (10, 40), (20, 31.5), (35, 32), (48.5, 41), (48.5, 54),
          (38, 66), (20, 75.5), (6, 76.5), (2.6, 66)), inset=-1.0, group="fossa", loose=0.4),
    Shape("white_matter", ((14, 44), (24, 41), (32, 46), (28, 54), (18, 54)), group="fossa"),
    Shape("grey_matter", ((0, 47), (3.5, 48), (4.5, 56), (3.5, 68), (0, 70)), "middle",
          group="fossa"),
    Shape("cord", ((0, 24), (5.5, 24), (9, 28), (8, 34), (4, 38), (0, 39)), "middle", inset=-1.2,
          group="pons"),
    *vessel(6.5, 21.8, 1.6),
    dot("vein", 52, 47, 3.4),
    Shape("muscle", ((6, 88), (22, 86), (36, 80), (48, 71), (38, 80), (22, 89)), loose=0.5),
    # pterygoid plates
    *bone("marrow", "pterygoid", (12.5, -40), (20, -42), (23, -38), (19, -34), (14, -34), rim=1.1),
    Shape("cortex", ((14.5, -36), (14.2, -30), (14.8, -25)), "tube_pair", width=0.9),
    Shape("cortex", ((20, -37), (23, -31), (26.5, -24)), "tube_pair", width=0.9),
    # masticator space
    Shape("muscle", ((16.5, -32), (20, -33), (23.5, -25), (20, -20), (17, -23))),
    Shape("muscle", ((24, -36), (32, -42), (41, -38), (50, -24), (56, -12), (53, -8), (44, -13),
          (33, -19), (27, -25))),
    Shape("muscle", ((44, -53), (52, -51), (57, -40), (58, -26), (53, -22), (47, -32), (42, -44)),
          group="temporalis"),
    *bone("marrow", "coronoid", (49, -42), (53, -38), (54, -30), (51, -29), (48, -36), rim=1.1),
    Shape("muscle", ((59, -46), (63, -42), (64, -30), (62, -20), (59, -24), (59, -36))),
    *bone("marrow", "condyle", (52, -9), (60, -10), (65, -5), (62, 1), (54, 0), rim=1.3),
    # parotid, vessels, styloid
    Shape("parotid", ((61, -14), (67, -18), (71, -6), (71, 6), (66, 5), (66, -5))),
    Shape("jugular", circle(33, 9, 4.6, 0.9), loose=1.5),
    *vessel(26, 3.5, 2.9, loose=0.7),
    dot("cortex", 40, 6, 1.7),
    # pharynx: constrictor and fascia, mucosa, torus, air
    Shape("muscle", ((1.2, -4.5), (7, -6), (12.5, -4), (13.5, 1.5), (8, 3.2), (2, 2.6)), loose=0.8,
          group="longus"),
    Shape("muscle", circle(18.2, -17.5, 3.0, 1.9), loose=0.8),  # levator
    Shape("muscle", ((18.5, -31), (21.5, -24), (23, -15)), "tube_pair", width=1.2),  # tensor
    Shape("mucosa", ((0, -38), (11, -37.5), (12.8, -33), (15, -28), (15.6, -22), (15.4, -16),
          (19.2, -11.6), (20, -8.2), (14.5, -6.6), (8, -6.6), (0, -6.6)), "middle",
          group="pharynx"),
    Shape("adenoid", ((0, -12), (6, -12), (11, -10), (10.5, -7.6), (0, -7)), "middle", loose=1.6,
          group="adenoid"),
    Shape("airway", ((0, -38), (8.4, -37), (9.8, -32.5), (12.4, -28.6), (12, -26), (8.6, -22.5),
          (7.4, -19), (9.2, -15.8), (13.6, -13), (17.6, -10), (13.6, -9.4), (9.4, -11), (5, -12.6),
          (0, -12.8)), "middle", group="pharynx", loose=1.1),
    Shape("cartilage", ((11, -22), (13.4, -21.5), (14.4, -17), (12.8, -15.2), (11, -18)),
          group="pharynx"),
    Shape("cortex", ((0, -84), (0, -60), (0, -36)), "tube", width=0.5),
)
# fmt: on

# fmt: off
ATLAS = (
    *body((0, -98), (9, -97), (22, -91), (38, -81), (52, -66), (62, -46), (69, -22), (72, 2),
          (71, 28), (65, 50), (53, 68), (35, 80), (15, 85), (0, 84)),
    # lips, cheek
    Shape("muscle", ((0, -95), (8, -94), (20, -88), (32, -79), (31, -76), (18, -84), (0, -90)),
          "middle"),
    Shape("muscle", ((35, -74), (41, -64), (43, -52), (40, -44), (38, -52), (37, -64))),
    # maxilla: alveolar process, antral floor, palate, nasal floor
    *bone("marrow", "maxilla", (0, -88), (13, -85), (25, -75), (31, -60), (31, -46), (24, -43),
          (14, -44), (0, -44), kind="middle", rim=1.4),
    Shape("mucosa", ((17, -66), (26, -62), (28, -52), (22, -48), (17, -54)), inset=-1,
          group="recess", loose=1.6),
    Shape("sinus_air", ((17, -66), (26, -62), (28, -52), (22, -48), (17, -54)), group="recess",
          loose=1.6),
    Shape("cortex", ((0, -81), (8, -78), (12, -62), (12, -44), (0, -42)), "middle", group="nose"),
    Shape("mucosa", ((0, -81), (8, -78), (12, -62), (12, -44), (0, -42)), "middle", inset=1,
          group="nose"),
    Shape("airway", ((1.8, -77), (5, -76), (8.5, -66), (9.6, -52), (9, -42), (1.8, -41),
          (1.6, -58)), group="nose"),
    Shape("mucosa", ((4.2, -69), (6.6, -67), (8.2, -56), (7.6, -46), (4.8, -44), (3.4, -56)),
          group="turbinate", loose=1.4),
    # pharyngeal wall and airway behind the palate
    Shape("muscle", ((0, -41), (12, -41), (16, -34), (16.5, -24), (14.5, -15), (8, -12.2),
          (0, -12)), "middle", group="pharynx"),
    Shape("mucosa", ((0, -42), (11, -41), (14, -34), (14.6, -25), (12.6, -16.5), (7, -13.8),
          (0, -13.6)), "middle", group="pharynx"),
    Shape("airway", ((0, -43), (8.8, -42), (11, -35), (11.5, -26), (9.8, -18.6), (5, -16.4),
          (0, -16.2)), "middle", group="pharynx", loose=1.3),
    dot("muscle", 16.3, -23, 3.6, 1.2),
    Shape("muscle", ((1.2, -10), (6, -11.5), (12, -11), (14.5, -6), (10, -3), (3, -4)), loose=0.8,
          group="longus"),
    # atlas, dens, canal, cord
    *bone("marrow", "mass", (9, 1), (18, -2), (25, 2), (27, 9), (20, 15), (11, 13), rim=1.4),
    *bone("marrow", "transverse", (26, 4), (33, 8), (37, 13), kind="tube_pair", width=3.0,
          rim=1.3),
    Shape("cortex", ((0, -1.5), (6, -0.6), (11, 3)), "tube", width=2.5, group="arch"),
    Shape("marrow", ((0, -1.5), (6, -0.6), (11, 3)), "tube", width=2.5, inset=1.2, group="arch"),
    *bone("marrow", "dens", (0, 1.8), (5, 3), (6.2, 8), (4, 12.6), (0, 13.6), kind="middle",
          rim=1.2 ),
    *bone("marrow", "hind_arch", (0, 39), (9, 36.5), (16, 29), (19, 19), kind="tube", width=2.6,
          rim=1.2),
    Shape("csf", ((0, 15), (8, 15), (12.5, 19), (12.5, 26), (8, 33), (0, 35)), "middle",
          group="canal"),
    Shape("cord", ((0, 20), (5, 20.5), (7, 24), (5, 27.6), (0, 28.2)), "middle", group="canal"),
    *vessel(26.5, 13.5, 1.9),
    # masticator space
    Shape("muscle", ((21, -36), (27, -39), (34, -34), (41, -21), (45, -11), (41, -7), (34, -14),
          (26, -22), (21.5, -29))),
    Shape("muscle", ((31, -42), (38, -43), (44, -34), (46, -25), (42, -24), (36, -33))),
    Shape("muscle", ((44, -50), (49, -49), (50, -42), (46, -40)), group="temporalis"),
    *bone("marrow", "ramus", (46, -41), (50, -30), (53, -18), (55, -8), kind="tube_pair",
          width=3.6, rim=1.3),
    Shape("muscle", ((51, -50), (57, -48), (63, -36), (65, -22), (63, -12), (59, -12), (56.5, -24),
          (53, -38))),
    # parotid and vessels
    Shape("parotid", ((56, -7), (63, -10), (69, -2), (70, 12), (65, 22), (57, 20), (50, 13),
          (44, 7), (47, 1), (53, -2)), loose=1.2, group="parotid"),
    dot("vein", 54.5, 2.5, 2.4),
    Shape("jugular", circle(32.5, 4, 4.6), loose=1.5),
    *vessel(25.5, -3.5, 2.8, loose=0.7),
    dot("cortex", 37, -1.5, 1.6),
    Shape("muscle", ((39, 9), (44, 10), (47, 16), (43, 19), (38, 14))),
    # neck behind
    *bone("diploe", "mastoid", (49, 20), (56, 22), (58, 30), (53, 35), (48, 28), rim=1.4),
    Shape("muscle", ((55, 26), (62, 25), (67, 34), (63, 46), (57, 46), (55, 36))),
    Shape("muscle", ((30, 18), (40, 20), (47, 30), (43, 40), (33, 38), (27, 26))),
    Shape("muscle", ((4, 43), (11, 39), (22, 35), (29, 40), (27, 50), (14, 53), (4, 51))),
    Shape("muscle", ((2.5, 55), (14, 56), (28, 54), (38, 52), (40, 60), (28, 70), (12, 75),
          (2.5, 74)) ),
    Shape("muscle", ((44, 45), (54, 50), (51, 62), (41, 70), (33, 72), (42, 62))),
    Shape("muscle", ((2, 78), (14, 78.5), (28, 75), (34, 73), (28, 78.5), (14, 81.5), (2, 80.5)),
          loose=0.5),
)
# fmt: on
