"""Optional packages whose import was interrupted."""

import sys

import pytest

from semrsm_widgets.common import optional

INIT = "import interrupted_package.first\nimport interrupted_package.second\n"
SECOND = """
from pathlib import Path
if not Path({flag!r}).exists():
    Path({flag!r}).touch()
    raise KeyboardInterrupt
"""


def test_after_ctrl_c_in_its_import_a_package_is_imported_whole(tmp_path, monkeypatch):
    folder = tmp_path / "interrupted_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(INIT)
    (folder / "first.py").write_text("x = 1\n")
    (folder / "second.py").write_text(SECOND.format(flag=str(tmp_path / "flag")))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        optional("interrupted_package")
    try:
        assert optional("interrupted_package").first.x == 1
    finally:
        for name in [name for name in sys.modules if name.startswith("interrupted_package")]:
            del sys.modules[name]
