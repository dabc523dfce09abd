"""Names of private pictures go as messages, never into the state that a notebook keeps."""

from __future__ import annotations

from helpers.analyses import make_images
from helpers.tiny_models import patch_model
from helpers.views import Sent, settled, shown

import semrsm_widgets as srsm


def test_names_of_private_pictures_stay_out_of_the_notebook(tmp_path):
    model, images = patch_model(), make_images(3)
    images.image(1).save(tmp_path / "Jane Doe.png")
    analysis = srsm.Analysis(images, srsm.extract(model, images), model=model, matcher=srsm.Exact())
    view = settled(srsm.RetrievalView(analysis, save_images=False))
    sent = Sent(view)
    view.search(tmp_path / "Jane Doe.png")
    settled(view)
    assert "Jane" not in str(view.get_state(drop_defaults=True) | {"_esm": "", "_css": ""})
    assert {"_outside_name": "Jane Doe.png"} in [content["state"] for content, _ in sent.of("private")]
    assert shown(view)["text/plain"] == "RetrievalView()"
    view.close()
