"""Positions, boxes, angles, transforms and ellipses: shapes without pixels."""

from skysift.geom.box import Box2D, Box2I
from skysift.geom.ellipse import Axes, Quadrupole
from skysift.geom.point import Extent2D, Extent2I, Point2D, Point2I, round_half_up
from skysift.geom.sphere import Angle, SpherePoint
from skysift.geom.transform import AffineTransform, LinearTransform

__all__ = [
    "AffineTransform",
    "Angle",
    "Axes",
    "Box2D",
    "Box2I",
    "Extent2D",
    "Extent2I",
    "LinearTransform",
    "Point2D",
    "Point2I",
    "Quadrupole",
    "SpherePoint",
    "round_half_up",
]
