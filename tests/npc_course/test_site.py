"""The site of the committed lessons: every link leads to a page, and to a place on it."""

import html
import re
from urllib.parse import unquote

import nbformat
import pytest

from npc_course.notebooks import FOLDER
from npc_course.panels import PANELS
from npc_course.site import write_site

ELSEWHERE = re.compile(r"(https?|data|mailto):")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    lessons = {path.stem: nbformat.read(path, 4) for path in sorted(FOLDER.glob("*.ipynb"))}
    write_site(lessons, folder)
    for panel in PANELS:
        (folder / f"{panel}.html").touch()  # made by another part, and tested in the browser
    return {page.name: page.read_text(encoding="utf-8") for page in folder.glob("*.html")}, folder


def links(page):
    targets = map(html.unescape, re.findall(r'(?:href|src)="([^"]+)"', page))
    return [link for link in targets if not ELSEWHERE.match(link)]


def test_every_link_leads_somewhere(site):
    pages, folder = site
    places = {
        name: set(map(html.unescape, re.findall(r'\bid="([^"]+)"', page)))
        for name, page in pages.items()
    }
    lost = []
    for name, page in pages.items():
        for link in links(page):
            file, _, place = link.partition("#")
            target = unquote(file) or name
            anchors = places.get(target, set()) | {""}
            if not (folder / target).exists() or not {place, unquote(place)} & anchors:
                lost.append((name, link))
    assert lost == []


def test_each_objective_of_a_lesson_leads_to_what_asks_for_it(site):
    pages, _ = site
    for name, page in pages.items():
        if not name[0].isdigit():
            continue
        listed = page.partition(">What you'll learn<")[2].partition("</ul>")[0]
        assert listed.count("<li>") == len(re.findall(r"\)</li>", listed)) > 0, name


def test_the_table_of_objectives_leads_to_exercises_and_questions(site):
    page = site[0]["objectives.html"]
    assert 'href="05_compare_with_tnm.html#exercise-05.2"' in page
    assert 'href="objectives.html#Q3"' in page and 'id="Q3"' in page
