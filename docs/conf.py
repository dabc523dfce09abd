"""How the site is built: `sphinx-build -W --keep-going -c docs . build/site`.

The sources are the repository's own files: docs/, the notebooks with what they show, README, CHANGELOG and the like, so
that a link works on the site as it works in the checkout. Nothing is executed but docs/live.py, which makes the live
pages, and no page asks another host for anything.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
EXTRA = ROOT / "build" / "site-extra"
"""What goes to the top of the site as it is: the live pages, and the page that leads from the top to the start."""
(EXTRA / "live").mkdir(parents=True, exist_ok=True)  # Sphinx asks for it before anything can make it

sys.path[:0] = [str(ROOT), str(DOCS)]

import live  # noqa: E402
import search_texts  # noqa: E402
from anchors import links_of_the_site  # noqa: E402
from sphinx.domains.python import PyObject  # noqa: E402
from traitlets import HasTraits, TraitType  # noqa: E402

from semrsm_widgets.common import __version__  # noqa: E402

project = "semrsm_widgets"
copyright = "the semrsm_widgets developers, BSD-3-Clause"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "notebooks/*.ipynb",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "semrsm_widgets/images/data/CREDITS.md",
]
exclude_patterns = ["docs/_*", "**/.ipynb_checkpoints"]

# Markdown and notebooks
nb_execution_mode = "off"  # the tests execute the notebooks, and what they show is saved in them
nb_ipywidgets_js: dict[str, Any] = {}  # else from a CDN
nb_mime_priority_overrides = [
    ("html", "application/vnd.jupyter.widget-view+json", None),  # no kernel: the picture beside it is shown
    ("html", "image/png", 5),
]
nb_remove_code_source = False
myst_enable_extensions = ["dollarmath", "colon_fence", "substitution"]
myst_substitutions = {"version": __version__}
myst_heading_anchors = 3
myst_heading_slug_func = "anchors.anchor"

# Docstrings
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # else an attribute that is a trait or property, too, is documented twice
default_role = "code"  # `x` in a docstring is code, as in Markdown
add_module_names = False
python_display_short_literal_types = True
toc_object_entries_show_parents = "hide"

# The page
html_theme = "pydata_sphinx_theme"
html_title = "semrsm_widgets"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["../build/site-extra"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_search_summary = False  # fetched from each page found, which a browser refuses a file: search_texts.py
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 9,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}
html_sidebars = {"docs/index": [], "docs/live/*": []}
mathjax_path = "mathjax/tex-svg.js"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def mathjax_file() -> Path:
    """Return MathJax in one file, as the package sphinx-mathjax-offline carries it."""
    for file in importlib.metadata.files("sphinx-mathjax-offline") or ():
        if file.match("static/mathjax/tex-svg.js"):
            return Path(str(file.locate()))
    raise FileNotFoundError('sphinx-mathjax-offline carries no tex-svg.js: pip install ".[docs]"')


def _before(app: Sphinx) -> None:
    """Make what is copied to the top of the site."""
    live.make(EXTRA / "live")
    (EXTRA / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><title>semrsm_widgets</title>'
        '<meta http-equiv="refresh" content="0; url=docs/index.html"><a href="docs/index.html">semrsm_widgets</a>\n',
        encoding="utf-8",
    )


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    """Lead a notebook's links to the glossary to its headings, as the site has them."""
    source[0] = links_of_the_site(source[0])


def _on_search_page(app: Sphinx, page: str, template: str, context: dict[str, Any], source: Any) -> None:
    """Have the page of search load what it shows of the pages it finds."""
    if page == "search":
        app.add_js_file(search_texts.NAME)
        app.add_js_file("search_excerpts.js", loading_method="defer")


def _after(app: Sphinx, error: Exception | None) -> None:
    """Put MathJax and the texts for search beside the other scripts, and pictures of <picture> beside their pages."""
    if error is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / mathjax_path
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(mathjax_file(), target)  # one file of 24 MB
        search_texts.write(Path(app.outdir), app.env.found_docs)
        shutil.copytree(DOCS / "img", Path(app.outdir) / "docs" / "img", dirs_exist_ok=True)


def _signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, arguments: str | None, returned: str | None
) -> tuple[str, str | None] | None:
    """Return a view's own arguments, of which traitlets says *args, **kwargs, and a default function by its name."""
    if what == "class" and issubclass(obj, HasTraits):
        signature = inspect.signature(obj.__init__)
        own = [each.replace(annotation=each.empty) for each in list(signature.parameters.values())[1:]]
        arguments = str(signature.replace(parameters=own, return_annotation=signature.empty))
    return None if arguments is None else (re.sub(r"<function (\w+)( at \w+)?>", r"\1", arguments), returned)


def _skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave traits to the class's own text, which explains them under Args or Attributes."""
    return True if isinstance(obj, TraitType) else None


def _escape(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep the types of attributes from being read as links, which `np.bool_` would be."""
    lines[:] = [re.sub(r"_(?=\W|$)", r"\_", line) if line.startswith(":vartype ") else line for line in lines]


def setup(app: Sphinx) -> None:
    """Join the steps before, between and after."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"  # Sphinx says Variables
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-docstring", _escape, priority=600)  # after napoleon
    app.connect("autodoc-process-signature", _signature)
    app.connect("builder-inited", _before)
    app.connect("source-read", _read)
    app.connect("html-page-context", _on_search_page)
    app.connect("build-finished", _after)
