"""What a person waits for on a slow line: JupyterLab behind a proxy with 100 ms of round trip and 10 Mbit/s each way.

- first useful paint: from running the cell of `explore()` to the matched patches, and to the first RSM, on screen;
- slider to repaint: for layers that are in the browser already;
- hover to highlight.

Imports are done in an earlier cell. Medians of the runs.

Run: python benchmarks/slow_network.py [RUNS]     (needs the extras lab and test, and a Chromium)
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser import first_paints, hovers, quote, slider
from helpers.lab_harness import CHROMIUM_ARGUMENTS, LabPage, find_chromium, free_port, start_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUND_TRIP_SECONDS = 0.1
BYTES_PER_SECOND = 10e6 / 8
_CHUNK = 2**14


class Line:
    """One direction of the line, shared by all connections: bytes leave at its rate, arrive half a round trip later."""

    def __init__(self) -> None:
        self.free_at = 0.0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what comes from `reader` to `writer` until it ends."""
        loop = asyncio.get_running_loop()
        arriving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

        async def deliver() -> None:
            while True:
                due, data = await arriving.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        delivery = asyncio.ensure_future(deliver())
        try:
            while True:
                data = await reader.read(_CHUNK)
                self.free_at = max(self.free_at, loop.time()) + len(data) / BYTES_PER_SECOND
                await asyncio.sleep(max(0.0, self.free_at - loop.time()))
                await arriving.put((self.free_at + ROUND_TRIP_SECONDS / 2, data))
                if not data:
                    break
            await delivery
        except (ConnectionError, asyncio.CancelledError):
            delivery.cancel()
            writer.close()


async def end_others() -> None:
    """Cancel every other task of the running loop and wait until they have ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@contextmanager
def slow_line(url: str) -> Iterator[str]:
    """Give the address at which a server is reached over the slow line."""
    target, port = urlsplit(url), free_port()
    up, down = Line(), Line()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(target.hostname, target.port)
        with suppress(asyncio.CancelledError):  # the benchmark is over
            await asyncio.gather(up.carry(reader, far_writer), down.carry(far_reader, writer))

    loop = asyncio.new_event_loop()  # on a thread: Playwright has a running one on this
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(asyncio.start_server(accept, "127.0.0.1", port), loop).result()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(end_others(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def main(runs: int = 15) -> None:
    """Run the benchmark."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = start_lab(Path(folder))
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        try:
            with slow_line(lab.url) as url:
                page = LabPage.open(browser, replace(lab, url=url), height=1400)
                film, pair, heatmaps = zip(*first_paints(page, max(3, runs // 3)), strict=True)
                quote("first paint: the images", film)
                quote("first paint: the matched patches", pair)
                quote("first paint: the first RSM", heatmaps)
                quote("slider to repaint, layers already sent", slider(page, runs, 16, True))
                quote("hover to highlight", hovers(page, runs))
                page.close()
        finally:
            browser.close()
            lab.stop()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
