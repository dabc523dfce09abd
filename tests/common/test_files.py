"""Files that appear whole or not at all, and what writers that were killed leave."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from semrsm_widgets.common import check_html_path, shown_path, try_writing, written_whole
from semrsm_widgets.common.files import ABANDONED_SECONDS, sweep

KILLED = """
import os, signal, sys
from pathlib import Path
from semrsm_widgets.common import check_html_path, shown_path, try_writing, written_whole
with written_whole(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
def test_what_a_killed_writer_leaves_is_swept_once_it_is_old_and_nothing_else_is(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    assert path.read_bytes() == b"old"
    (left,) = tmp_path.glob(".*")
    others = [tmp_path / name for name in (".hidden", "b.unfinished", ".folder.unfinished")]
    for other in others[:2]:
        other.write_bytes(b"mine")
    others[2].mkdir()
    sweep(tmp_path)
    assert left.exists()  # it may still be written
    for each in (left, *others):
        os.utime(each, (0, time.time() - 2 * ABANDONED_SECONDS))
    with written_whole(path) as file:
        file.write(b"new")
    assert not left.exists()
    assert all(other.exists() for other in others)
    assert path.read_bytes() == b"new"


def test_two_threads_may_write_one_file(tmp_path):
    path = tmp_path / "a"
    barrier = threading.Barrier(2)

    def write(letter):
        with written_whole(path) as file:
            for _ in range(50):
                barrier.wait(10)
                file.write(letter * 1000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in (b"a" * 50_000, b"b" * 50_000)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no umask there")
def test_files_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with written_whole(tmp_path / "a") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_page_goes_into_a_folder_that_is_there_under_a_name_that_says_so(tmp_path):
    assert check_html_path(tmp_path / "page") == tmp_path / "page.html"
    assert check_html_path(str(tmp_path / "page.HTM")) == tmp_path / "page.HTM"
    with pytest.raises(ValueError, match=r'the name of an ".html" file; got .page.npz'):
        check_html_path(tmp_path / "page.npz")
    with pytest.raises(ValueError, match="in a folder that exists"):
        check_html_path(tmp_path / "none" / "page.html")


@pytest.mark.parametrize("has_links", [True, False], ids=["hard links", "no hard links"])
def test_a_new_file_replaces_none(has_links, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "not on this disk")

    if not has_links:
        monkeypatch.setattr(os, "link", refused)
    path = tmp_path / "a"
    with written_whole(path, new=True) as file:
        file.write(b"ours")
    with pytest.raises(FileExistsError), written_whole(path, new=True) as file:
        file.write(b"another")
    assert path.read_bytes() == b"ours"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError), written_whole(tmp_path / "link", new=True) as file:
        file.write(b"another")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "link"]


def test_a_folder_that_is_tried_does_not_stay_where_it_was_not(tmp_path):
    try_writing(tmp_path / "new" / "within")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(NotADirectoryError):
        try_writing(tmp_path / "file" / "within")
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("new", ["", "new"], ids=["that is there", "that is not"])
def test_many_may_try_a_folder_at_once_and_nothing_stays(new, tmp_path):
    failures = []

    def work():
        try:
            for _ in range(100):
                try_writing(tmp_path / new)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(tmp_path.rglob(".*")) == []


def test_a_path_is_shown_from_the_part_on_that_is_not_there(tmp_path):
    (tmp_path / "here").touch()
    assert shown_path(tmp_path / "here") == "here"
    assert shown_path(tmp_path / "new" / "a.html") == str(Path("new") / "a.html")
    assert shown_path("some/where") == "some/where"
