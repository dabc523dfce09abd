"""`semrsm report`: what a model finds alike, in one HTML file."""

from __future__ import annotations

import argparse
import sys

from semrsm_widgets.common import check_html_path

from .errors import INTERRUPTED, CommandError


def report(options: argparse.Namespace) -> int:
    """Write the report of a folder of images; what is being done and how far goes to the standard error."""
    said = ""

    def say(text: str, fraction: float | None = None) -> None:
        nonlocal said
        if text != said:
            said = text
            print(f"{text.rstrip(':')} ...", file=sys.stderr, flush=True)

    try:
        path = check_html_path(options.output)
        say("Importing the libraries")
        from semrsm_widgets.analysis import AnalysisRecipe
        from semrsm_widgets.report import analysis_at_once, to_html

        recipe = AnalysisRecipe(
            model=options.model,
            images=options.images,
            skip_unreadable=options.skip_unreadable,
            layers=options.layers,
            max_images=options.max_images,
            device=options.device,
        )
        analysis, notices = analysis_at_once(recipe, say, save_images=not options.no_images)
        say("Comparing the images")
        to_html(analysis, path, images=not options.no_images, pairs=options.pairs, notices=notices)
    except (ValueError, TypeError) as error:
        raise CommandError(str(error), code=2) from None
    except (OSError, ImportError) as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        raise CommandError("stopped, nothing was written.", code=INTERRUPTED) from None
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0
