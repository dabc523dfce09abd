"""Pictures in a stable order, with ids and labels."""

from .demo import crop_boxes, demo_images
from .entries import unique_ids
from .file_facts import SUFFIXES
from .image_set import Images, subset
from .labels import label_set, sorted_labels
from .load import as_images, check_source, load_images, open_images
from .pixels import Scale
from .selection import Selection
from .sources import FileSource, MemorySource, Source
from .warp import BORDERS, LEAST_ZOOM, MOST_SHIFT, MOST_TILES, MOST_ZOOM, Warp

__all__ = [
    "BORDERS",
    "LEAST_ZOOM",
    "MOST_SHIFT",
    "MOST_TILES",
    "MOST_ZOOM",
    "SUFFIXES",
    "FileSource",
    "Images",
    "MemorySource",
    "Scale",
    "Selection",
    "Source",
    "Warp",
    "as_images",
    "check_source",
    "crop_boxes",
    "demo_images",
    "label_set",
    "load_images",
    "open_images",
    "sorted_labels",
    "subset",
    "unique_ids",
]
