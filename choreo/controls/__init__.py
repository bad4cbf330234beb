"""What an artist draws, as data: box tracks, their files and the editor's JSON, checked on the way in."""

from .box_document import boxes_from_text, boxes_to_text
from .box_tracks import FITS, ROLES, BoxTracks
from .point_tracks import PointTracks

__all__ = ["FITS", "ROLES", "BoxTracks", "PointTracks", "boxes_from_text", "boxes_to_text"]
