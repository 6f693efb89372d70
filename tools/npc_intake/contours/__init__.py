"""Rectangles from contours that a planning system or a segmentation tool has made."""

from npc_intake.contours.rectangles import ContourReport, rectangles_from_contours

__all__ = ["ContourReport", "rectangles_from_contours"]
