"""What every view is made of."""

from .bokeh_pane import BokehPane, bokehjs, heatmap_item
from .composed import ComposedView, ViewPlace
from .cost import (
    PATIENCE_SECONDS,
    Cost,
    describe_cost,
    is_ready,
    long_cost,
    make_ready,
    search_seconds,
)
from .layer_steps import LayerSteps
from .page import PAGE_DIGITS, json_block, page_traits, standalone_html
from .placed import PlacedPicture, missing_picture, picture_place, placed_picture, printed_picture, thumbnail
from .traits import (
    KERNELS,
    Checked,
    ImagesSelected,
    KernelChosen,
    LayerChosen,
    SimilaritiesTold,
    check_kernel_name,
    check_pair,
    check_selection,
    default_layer,
    image_rows,
    layer_rows,
)
from .view import Status, View, bundle, bundle_text, check_trait, guarded_method, jpeg_bytes, seconds_left
from .wire import EXACT_IMAGES, PICTURES, Message, is_exact, plain
from .worker import DEBOUNCE_SECONDS, CancelledError, Job, Worker

__all__ = [
    "DEBOUNCE_SECONDS",
    "EXACT_IMAGES",
    "KERNELS",
    "PAGE_DIGITS",
    "PATIENCE_SECONDS",
    "PICTURES",
    "BokehPane",
    "CancelledError",
    "Checked",
    "ComposedView",
    "Cost",
    "ImagesSelected",
    "Job",
    "KernelChosen",
    "LayerChosen",
    "LayerSteps",
    "Message",
    "PlacedPicture",
    "SimilaritiesTold",
    "Status",
    "View",
    "ViewPlace",
    "Worker",
    "bokehjs",
    "bundle",
    "bundle_text",
    "check_kernel_name",
    "check_pair",
    "check_selection",
    "check_trait",
    "default_layer",
    "describe_cost",
    "guarded_method",
    "heatmap_item",
    "image_rows",
    "is_exact",
    "is_ready",
    "jpeg_bytes",
    "json_block",
    "layer_rows",
    "long_cost",
    "make_ready",
    "missing_picture",
    "page_traits",
    "picture_place",
    "placed_picture",
    "plain",
    "printed_picture",
    "search_seconds",
    "seconds_left",
    "standalone_html",
    "thumbnail",
]
