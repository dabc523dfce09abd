"""Whether trained weights can be had: from the Hugging Face hub, or from its cache on this machine."""

from __future__ import annotations

import socket
import threading
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

REACH_SECONDS = 4.0  # how long to wait for the hub's answer before calling it unreachable


def cached_weights(config: Any) -> str | None:
    """Return the weights file of a timm configuration in the hub's cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    if not config.hf_hub_id:
        return None
    names = [config.hf_hub_filename] if config.hf_hub_filename else ["model.safetensors", "pytorch_model.bin"]
    found = (try_to_load_from_cache(config.hf_hub_id, name) for name in names)
    return next((path for path in found if isinstance(path, str)), None)


def hub_reachable() -> bool:
    """Return whether the hub answers within REACH_SECONDS; behind a proxy it is taken to."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    url = urlsplit(constants.ENDPOINT)
    if {"all", url.scheme} & set(getproxies()):
        return True
    answered = threading.Event()

    def connect() -> None:
        try:
            port = url.port or (443 if url.scheme == "https" else 80)
            with socket.create_connection((url.hostname or "", port), timeout=REACH_SECONDS):
                answered.set()
        except OSError:
            pass

    # Looking up a name has no time limit of its own, so it runs in a thread that is given up on.
    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(REACH_SECONDS)
    return answered.is_set()
