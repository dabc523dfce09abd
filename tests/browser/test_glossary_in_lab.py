"""The lessons' links to the glossary in a real JupyterLab."""

from __future__ import annotations

from helpers.tutorials import FOLDER
from playwright.sync_api import expect


def test_a_link_opens_the_glossary_at_its_word(lab_page):
    page, lab = lab_page.page, lab_page.lab
    lab.copy_in(FOLDER / "glossary.ipynb")
    lab_page.open_notebook(lab.copy_in(FOLDER / "04_matching_step_by_step.ipynb"))
    page.get_by_role("link", name="partner", exact=True).click()
    glossary = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)", has_text="What the words on the screen mean")
    expect(glossary.get_by_role("heading", name="partner")).to_be_in_viewport()
    expect(glossary.get_by_role("heading", name="Glossary")).not_to_be_in_viewport()
