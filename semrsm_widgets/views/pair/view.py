"""Two images, and which patch of one is paired with which patch of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets as t

from semrsm_widgets.analysis import check_analysis
from semrsm_widgets.common import describe_seconds, message
from semrsm_widgets.figures import AGAINST, CORNERS, FOR
from semrsm_widgets.matching import Exact
from semrsm_widgets.rsm import EXPLAINED, SIMILARITIES, similarity_of
from semrsm_widgets.tokens import moved_token
from semrsm_widgets.views.base import (
    PATIENCE_SECONDS,
    Job,
    LayerChosen,
    Message,
    PlacedPicture,
    SimilaritiesTold,
    View,
    Worker,
    bundle,
    guarded_method,
    image_rows,
    is_ready,
    jpeg_bytes,
    layer_rows,
    long_cost,
    make_ready,
    placed_picture,
)
from semrsm_widgets.views.probe import alike_message, along_message, crop, places_message

from .messages import matches_message, profile_message
from .still import pair_still, why_still

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from semrsm_widgets.analysis import Analysis, Matches
    from semrsm_widgets.common import Progress
    from semrsm_widgets.figures.sheet import Sheet
    from semrsm_widgets.matching import Matcher
    from semrsm_widgets.rsm import NullLevel

# More lines than this are a tangle.
MOST_LINES = 40
# Up to this many tokens SciPy answers a pair in a fraction of a second, while the auction is still being compiled.
EXACT_TOKENS = 1024
CAPTIONS = tuple(SIMILARITIES[name].caption for name in EXPLAINED)
_PICTURE = 360
_DEBOUNCE_SECONDS = 0.03
# What unrelated tokens reach at layers that are not on screen is estimated unasked: only where it takes no longer.
_LEVELS_SECONDS = 5.0


class PairView(LayerChosen, SimilaritiesTold, View):
    """Two images with their token grids, their matched patches, and B's patches moved to their partners in A.

    Hovering a patch (or moving to it with the arrow keys) shows its partner, the cosine of the two and what the match
    contributes, and as heat over both pictures how alike every patch is to it. A click pins it, and shows where the
    other images hold it best, and its partner at every layer. The strongest matches are outlined and joined by lines,
    coloured by their place in A, the first nine with digits; a match is dashed where another partner would be nearly as
    good, and faint where it is hardly above the level that unrelated tokens reach. Beside the semantic value stands the
    level that unrelated tokens reach, and its split: what any matching gives on average, and what the best matching
    adds to it.

    What is explained is a choice: the best match (semantic), the same position (aligned) and the mean token (pooled)
    each split exactly over patches; of the class token only the value is shown. With an `expected` image the view asks
    why B is nearer to A than that one is: each patch of A is outlined by what it contributes to the difference.

    Args:
        analysis: what to show.
        layer: the layer on screen; two thirds into the model unless given.
        pair: indices (i, j) of images A and B; with `expected`, of the query and of what was found.
        expected: index of an image to compare B with: why B and not this one; -1 for none.
        similarity: "best match", "same position", "mean token" or "class token"; the similarity's name will do.
        one_to_one: False takes each patch's nearest neighbour instead of the best match, to see what differs.
        token: the pinned token of A, in raster order; -1 for none.
        above_unrelated: leave out the matches whose cosine is not above the level that unrelated tokens reach.
        heat: show over both pictures how alike every patch is to the one pointed at.
        top_k: how many of the strongest matches are drawn, 0 to 40.
        patience: where the level of unrelated tokens is estimated to take more seconds than this, it waits for Start.

    Example:
        >>> srsm.PairView(analysis, layer="blocks.4", pair=(0, 1))
        >>> srsm.PairView(analysis, pair=(0, 1), expected=5)  # why is 1 nearer to 0 than 5 is?
    """

    _esm = bundle("pair.js")

    token = t.Int(-1, help="The pinned token of A, in raster order; -1: none.").tag(sync=True)
    expected = t.Int(-1, help="An image to compare B with: why B and not this one; -1: none.").tag(sync=True)
    similarity = t.Unicode(SIMILARITIES["semantic"].caption, help=f"What is explained: one of {CAPTIONS}.").tag(
        sync=True
    )
    one_to_one = t.Bool(True, help="False: each patch's nearest neighbour instead of the best match.").tag(sync=True)
    above_unrelated = t.Bool(False, help="Whether matches that are not above unrelated are left out.").tag(sync=True)
    heat = t.Bool(True, help="Whether pointing at a patch shows how alike every patch is to it.").tag(sync=True)
    top_k = t.Int(20, help=f"How many of the strongest matches are drawn, 0 to {MOST_LINES}.").tag(sync=True)

    outlined: t.List[Any] = t.List(
        help="Boxes that another view points at: [side, left, top, right, bottom], parts of the token grid; 0 is A."
    ).tag(sync=True)

    _most_lines = t.Int(MOST_LINES).tag(sync=True)
    _colours = t.Dict({"corners": CORNERS, "for": FOR, "against": AGAINST}).tag(sync=True)
    _explained = t.List(list(EXPLAINED)).tag(sync=True)
    preview = t.Bool(False, help="Whether more images are to come: the null is left until they are there.")

    parts = ("layers", "comparison", "probe")

    handlers = {  # noqa: RUF012 (never mutated)
        "ready": "_send_everything",
        "alike": "_ask_alike",
        "profile": "_ask_profile",
    }

    def __init__(
        self,
        analysis: Analysis,
        *,
        layer: str | None = None,
        pair: tuple[int, int] | None = None,
        expected: int = -1,
        similarity: str = "best match",
        one_to_one: bool = True,
        token: int = -1,
        above_unrelated: bool = False,
        heat: bool = True,
        top_k: int = 20,
        patience: float = PATIENCE_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            analysis,
            layer=layer,
            pair=pair,
            expected=expected,
            similarity=similarity,
            one_to_one=one_to_one,
            token=token,
            above_unrelated=above_unrelated,
            heat=heat,
            top_k=top_k,
            **kwargs,
        )
        self.patience = patience
        self._pictured: tuple[int, int] | None = None  # the pair whose pictures the browser has
        self._expected_pictured = -1
        self._probe = Worker(report=lambda _text, _part: None, done=lambda _whole: None, failed=self.show_error)
        self._alike_asked = False  # whether the page waits for the similarities of all patches
        self._profile_asked = False  # whether the page shows a pair's values at every layer
        self._found: set[tuple[Any, ...]] = set()  # what the page has of the pinned patch, and of other layers
        self.observe(guarded_method(self, "_move_pin"), names="layer")
        self.observe(guarded_method(self, "request"), names=["layer", "pair", "expected"])
        self.observe(guarded_method(self, "_run_probe"), names=["layer", "pair", "token"])
        self.request(None)
        self._run_probe(None)

    @t.validate("expected")
    def _check_expected(self, proposal: Any) -> int:
        last = len(self.analysis) - 1
        if -1 <= proposal["value"] <= last:
            return int(proposal["value"])
        expected = f"an image index from 0 to {last}, or -1 for none"
        raise t.TraitError(message("expected", expected, str(proposal["value"])))

    @t.validate("similarity")
    def _check_similarity(self, proposal: Any) -> str:
        try:
            return similarity_of(proposal["value"]).caption
        except ValueError as error:
            raise t.TraitError(str(error)) from None

    @t.validate("token")
    def _check_token(self, proposal: Any) -> int:
        if self.layer not in self.analysis.tokens:  # traits that come together are checked in any order
            return int(proposal["value"])
        last = self.analysis.tokens[self.layer].values.shape[1] - 1
        if -1 <= proposal["value"] <= last:
            return int(proposal["value"])
        expected = f"a token of {self.layer}, 0 to {last}, or -1 for none"
        raise t.TraitError(message("token", expected, str(proposal["value"])))

    @t.validate("top_k")
    def _check_top_k(self, proposal: Any) -> int:
        return check_top_k(proposal["value"])

    def __repr__(self) -> str:
        a, b = (self.analysis.images.ids[k] for k in self.pair)
        other = "" if self.expected < 0 else f", expected={self.analysis.images.ids[self.expected]!r}"
        return f"PairView({self.layer!r}, {a!r}, {b!r}{other})"

    def show(self, analysis: Analysis) -> None:
        """Show another analysis, of the same layers, in which the images of this one come first."""
        self.analysis = check_analysis(analysis)
        self._layers = layer_rows(analysis)
        self._images = image_rows(analysis)
        self.preview = False
        self._found = set()
        self.request(None)

    # -- what the browser asks ----------------------------------------------------------------------------------

    def _send_everything(self, _content: dict[str, Any]) -> None:
        self._pictured = None
        self._expected_pictured = -1
        self._found = set()
        self.request(None)
        self._run_probe(None)

    def _ask_alike(self, _content: dict[str, Any]) -> None:
        self._alike_asked = True
        self._run_probe(None)

    def _ask_profile(self, _content: dict[str, Any]) -> None:
        self._profile_asked = True
        self._run_probe(None)

    def _move_pin(self, change: Any) -> None:
        """Keep the pin at its place in the image where the new layer has another grid."""
        old, new = (self.analysis.tokens[name].grid for name in (change["old"], change["new"]))
        self.token = moved_token(self.token, old, new)

    def request(self, change: Any) -> None:
        """Have the worker send the pair on screen."""
        self.run(self._work, debounce=0.0 if change is None else _DEBOUNCE_SECONDS)

    def _run_probe(self, change: Any) -> None:
        """Have another thread send what is missing of the probe and of other layers: neither waits for the other."""
        if self._profile_asked or ("probe" in self.offers and (self._alike_asked or self.token >= 0)):
            self._probe.submit(self._work_probe, debounce=0.0 if change is None else _DEBOUNCE_SECONDS)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the view has nothing left to compute; return whether that came within `timeout` seconds."""
        return super().wait(timeout) and self._probe.wait(timeout)

    def close(self) -> None:
        """Free the threads and the widget."""
        if hasattr(self, "_probe"):
            self._probe.close()
        super().close()

    # -- the worker ---------------------------------------------------------------------------------------------

    def _work(self, job: Job) -> None:
        """Send the pair's pictures, its matches, and then the null, which takes many pairs."""
        layer, (i, j), k = self.layer, self.pair, self.expected
        # Noted before they are sent: a page that opens meanwhile takes the note away, and is sent them anew.
        if self._pictured != (i, j):
            self._pictured = (i, j)
            self._send_pictures(i, j)
        if k not in (-1, self._expected_pictured):
            self._expected_pictured = k
            self._send_expected_picture(k)
        at_hand = self._matcher_at_hand(layer)
        known = self.analysis.null(layer) if self.analysis.has_null(layer) and at_hand is None else None
        self._send_matches(layer, (i, j, k), at_hand, known)
        if len(self.analysis) > 1 and not self.preview and known is None:
            make_ready(self.analysis.matcher, self.analysis.tokens[layer].values.shape[1], job)
            self._await_null(job, layer)
            null = self.analysis.null(layer, progress=job.counter(f"Calibrating {layer}:"))
            # One pair has one certificate on screen: that of the matcher that the RSM uses.
            self._send_matches(layer, (i, j, k), None, null)
            self._run_probe(None)  # which left the other layers' levels until this one was there

    def _await_null(self, job: Job, layer: str) -> None:
        """Wait for Start where the null would take long, unless it is there or the RSM's Start covered it."""
        cost = (
            None if self.analysis.has_null(layer) else long_cost(self.analysis, [layer], self.patience, null_alone=True)
        )
        if cost is not None:
            text = f"The level of unrelated tokens takes {cost.pairs} pairs, about {describe_seconds(cost.seconds)}."
            self.await_start(job, text)

    def _send_pictures(self, i: int, j: int) -> None:
        panels = [self._placed(k) for k in (i, j)]
        boxes, problems = [panel.place for panel in panels], [panel.problem for panel in panels]
        pictures = {"pictures": [jpeg_bytes(panel.picture) for panel in panels]}
        self.post(Message.of("pictures", pictures=pictures, pair=(i, j), boxes=boxes, problems=problems))

    def _placed(self, k: int) -> PlacedPicture:
        return placed_picture(self.analysis.images, k, self.analysis.model, _PICTURE)

    def _send_expected_picture(self, k: int) -> None:
        panel = self._placed(k)
        pictures = {"pictures": [jpeg_bytes(panel.picture)]}
        self.post(Message.of("expected picture", pictures=pictures, image=k, box=panel.place, problem=panel.problem))

    def _send_matches(
        self, layer: str, images: tuple[int, int, int], matcher: Matcher | None, null: NullLevel | None
    ) -> None:
        """Send the matches of A and B, and of A and the expected image."""
        i, j, k = images
        if k >= 0:  # first, so that the difference is there when the pair comes
            self.post(matches_message("expected", self.analysis.matches(layer, i, k, matcher=matcher)))
        self.post(matches_message("matches", self.analysis.matches(layer, i, j, matcher=matcher), null))

    def _work_probe(self, job: Job) -> None:
        """Send how alike all patches are, if the page asked; the pair at other layers; and of a pin where it is."""
        found, layer, pair, token = self._found, self.layer, self.pair, self.token
        if self._alike_asked:
            self._alike_asked = False
            self.post(alike_message(self.analysis, layer, pair))
        if "probe" in self.offers:
            self._send_pinned(job, found, layer, pair, token)
        if self._profile_asked:
            self._send_profile(job, found, layer, pair)

    def _send_pinned(
        self, job: Job, found: set[tuple[Any, ...]], layer: str, pair: tuple[int, int], token: int
    ) -> None:
        """Send the best places of the pinned patch in other images, and its partner at every layer."""
        analysis = self.analysis
        grid = analysis.tokens[layer].grid
        if grid is None or not 0 <= token < grid[0] * grid[1]:
            return
        if (layer, pair[0], token) not in found and not self.preview:
            job.step("Looking for the patch")
            places = analysis.patch_places(layer, pair[0], token)
            spots = zip(places.images.tolist(), places.tokens.tolist(), strict=True)
            self.post(places_message(places, [crop(self._placed(k), k, where, grid) for k, where in spots]))
            found.add((layer, pair[0], token))
        about = {"layer": layer, "pair": pair, "token": token}
        for name in analysis.layers:
            job.step(f"The partner at {name}")
            there = analysis.tokens[name].grid
            own = moved_token(token, grid, there)
            if there is None or (name, layer, pair, token) in found:
                continue
            matches = analysis.matches(name, *pair, matcher=self._matcher_at_hand(name))
            partner = int(matches.permutation[own])
            spot = crop(self._placed(pair[1]), pair[1], partner, there) if partner >= 0 else None
            self.post(along_message(about, name, spot, float(matches.token_cosine[own])))
            found.add((name, layer, pair, token))

    def _send_profile(self, job: Job, found: set[tuple[Any, ...]], layer: str, pair: tuple[int, int]) -> None:
        """Send the pair's similarities at the layers whose pair takes no time to speak of, the nearest first."""
        analysis = self.analysis
        here = analysis.layers.index(layer)
        names = []
        for name in sorted(analysis.layers, key=lambda each: abs(analysis.layers.index(each) - here)):
            job.step(f"The pair at {name}")
            if analysis.tokens[name].values.shape[1] <= EXACT_TOKENS or analysis.has_assignment(name, *pair):
                self._send_profile_row(found, name, pair)
                names.append(name)
        if analysis.has_null(layer):  # what is on screen comes first
            self._send_levels(job, found, [name for name in names if not analysis.has_null(name)], pair)

    def _send_profile_row(self, found: set[tuple[Any, ...]], name: str, pair: tuple[int, int]) -> None:
        """Send the pair's similarities at a layer, unless the page has all that is known of them."""
        null = self.analysis.null(name) if self.analysis.has_null(name) else None
        key = ("profile", name, pair, null is not None)
        if key not in found:
            matches = self.analysis.matches(name, *pair, matcher=self._matcher_at_hand(name))
            self.post(profile_message(matches, null))
            found.add(key)

    def _send_levels(
        self, job: Job, found: set[tuple[Any, ...]], missing: Sequence[str], pair: tuple[int, int]
    ) -> None:
        """Estimate what unrelated tokens reach at layers, in turn, for as long as all of it takes little time."""
        for k, name in enumerate(missing, start=1):
            step = job.counter(f"Calibrating {name}:")
            step(0, 1)
            if long_cost(self.analysis, missing[:k], _LEVELS_SECONDS, null_alone=True) is not None:
                return
            self.analysis.null(name, progress=_until_its_end(step))
            self._send_profile_row(found, name, pair)

    def _matcher_at_hand(self, layer: str) -> Matcher | None:
        """Return SciPy's for a layer whose auction is still to be compiled, where it is quick; None: the analysis's."""
        count = self.analysis.tokens[layer].values.shape[1]
        return Exact() if not is_ready(self.analysis.matcher, count) and count <= EXACT_TOKENS else None

    def ready_text(self) -> str:
        """Return nothing: what there is to say stands beside the images."""
        return ""

    def picture(self) -> Image.Image | None:
        """Return A, B and B's patches in A's layout as one picture.

        None where the tokens have no places, and where the match is not there and would take a while.
        """
        tokens = self.analysis.tokens[self.layer]
        count = tokens.values.shape[1]
        quick = count <= EXACT_TOKENS and is_ready(self.analysis.matcher, count)
        others = [k for k in (self.pair[1], self.expected) if k >= 0]
        there = all(self.analysis.has_assignment(self.layer, self.pair[0], k) for k in others)
        if tokens.grid is None or not (quick or there):
            return None
        matches = self.analysis.matches(self.layer, *self.pair)
        similarity = self._explained_of(matches)
        panels = [self._placed(k) for k in (*self.pair, self.expected) if k >= 0]
        sides = [(panel.picture, panel.place) for panel in panels]
        if self.expected < 0:
            null = self.analysis.null(self.layer) if self.analysis.has_null(self.layer) else None
            above = self.above_unrelated
            return pair_still(matches, sides, self.top_k, similarity=similarity, null=null, above_unrelated=above)
        expected = self.analysis.matches(self.layer, self.pair[0], self.expected)
        return why_still(matches, expected, sides, self.top_k, similarity=similarity)

    def _explained_of(self, matches: Matches) -> str:
        """Return the name of what is explained: the class token, which outlines nothing, where it does not split."""
        name = similarity_of(self.similarity).name
        return name if name in matches.by_similarity else "class token"

    def draw_figure(self, sheet: Sheet) -> None:
        """Draw the two images and how they are matched."""
        from .paper import draw_pair, draw_why

        matches = self.analysis.matches(self.layer, *self.pair)
        null = self.analysis.null(self.layer) if len(self.analysis) > 1 else None
        similarity = self._explained_of(matches)
        if self.expected < 0:
            draw_pair(sheet, self.analysis, matches, top_k=self.top_k, null=null, similarity=similarity)
            return
        expected = self.analysis.matches(self.layer, self.pair[0], self.expected)
        draw_why(sheet, self.analysis, matches, expected, top_k=self.top_k, null=null, similarity=similarity)


def _until_its_end(step: Progress) -> Progress:
    """Return a progress that stops nothing at its end: a newer request will want what is finished, too."""

    def report(done: int, total: int) -> None:
        if done < total:
            step(done, total)

    return report


def check_top_k(top_k: int) -> int:
    """Return how many matches to draw, or raise TraitError in the house's form."""
    if 0 <= top_k <= MOST_LINES:
        return int(top_k)
    raise t.TraitError(message("top_k", f"an integer from 0 to {MOST_LINES}", str(top_k)))
