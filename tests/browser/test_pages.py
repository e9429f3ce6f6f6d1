"""The built book in headless Chromium: what readers meet at a desk or on a phone, in the light or in the dark."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from synthetic_atoms.book import project

pytestmark = pytest.mark.browser

HTML = project.build_directory() / "book" / "html"
FOUND = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
PAGES = [name for name in FOUND if not name.startswith("_static/")] or ["index.html"]
CONTENT = [name for name in PAGES if name not in ("genindex.html", "search.html")]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing: pytest shows what fails."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address at which the book is served on this machine."""
    if not (HTML / "index.html").is_file():
        pytest.fail("Expected the built book in _build/book/html, found none: run 'make book' first.", pytrace=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=HTML)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail("Expected Chromium on this machine, found none: install Debian's chromium package.", pytrace=False)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        opened.close()


class Visit:
    """A page that was opened, and what went wrong on it; nothing from outside this machine is fetched."""

    def __init__(self, browser: Browser, address: str, name: str, *, width: int = 1280, scheme: str = "light") -> None:
        self.problems: list[str] = []
        self.outside: list[str] = []
        self._address = address
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.page: Page = self.context.new_page()
        self.page.route("**/*", self._route)
        self.page.on("console", lambda message: self._note(message.type == "error", message.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("requestfailed", lambda request: self._note(request.url.startswith(address), request.url))
        self.page.on("response", lambda response: self._note(response.status >= 400, response.url))
        self.page.goto(urljoin(address, name))
        self.page.wait_for_load_state("networkidle")

    def _note(self, wrong: bool, text: str) -> None:
        if wrong:
            self.problems.append(text)

    def _route(self, route: Route) -> None:
        if route.request.url.startswith((self._address, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *exception: object) -> None:
        self.context.close()


@dataclass
class Seen:
    """What was found on a page at a desk, in the light."""

    problems: list[str]
    outside: list[str]
    title: str
    headings: list[str]
    images: list[dict]
    anchors: set[str]
    links: set[str]


@pytest.fixture(scope="module")
def seen(browser, address) -> dict[str, Seen]:
    """Every page, opened once."""
    found = {}
    for name in PAGES:
        with Visit(browser, address, name) as visit:
            collect = visit.page.eval_on_selector_all
            found[name] = Seen(
                problems=visit.problems,
                outside=visit.outside,
                title=visit.page.title(),
                headings=collect("h1", "all => all.map(h => h.innerText)"),
                images=collect("img", "all => all.map(i => ({src: i.src, alt: i.alt, width: i.naturalWidth}))"),
                anchors=set(collect("[id]", "all => all.map(e => e.id)")),
                links=set(collect("a[href]", "all => all.map(a => a.href)")),
            )
    return found


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_without_errors_and_needs_no_other_site(seen, name):
    assert seen[name].problems == []
    assert seen[name].outside == []
    assert seen[name].title
    assert seen[name].headings


@pytest.mark.parametrize("name", PAGES)
def test_every_image_is_there_and_is_described(seen, name):
    assert [image for image in seen[name].images if not image["alt"].strip() or not image["width"]] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_internal_link_and_anchor_leads_somewhere(seen, address, name):
    dead = []
    for target in sorted(seen[name].links):
        url, fragment = urldefrag(target)
        if url.startswith(address):
            path = unquote(url.removeprefix(address)) or "index.html"
            lost = fragment and path in seen and unquote(fragment) not in seen[path].anchors
            if lost or not (HTML / path).is_file():
                dead.append(target)
    assert dead == []


def test_chapters_have_figures_with_downloads(browser, address):
    for name in [name for name in CONTENT if name.startswith("notebooks/")]:
        with Visit(browser, address, name) as visit:
            page = visit.page
            figures = page.locator("figure.sa-figure")
            assert figures.count() >= 1
            for index in range(figures.count()):
                figure = figures.nth(index)
                assert figure.locator("figcaption").inner_text().startswith("Figure ")
                kinds = figure.locator("a.download").evaluate_all("all => all.map(a => a.href.split('.').pop())")
                assert kinds == ["png", "svg", "csv"]
            with page.expect_download() as started:
                page.locator("section#run-this-page-again a.download").first.click()
            assert started.value.suggested_filename == f"{Path(name).stem}.ipynb"


def test_search_finds_a_word(browser, address):
    with Visit(browser, address, "search.html?q=coordination") as visit:
        found = visit.page.locator("#search-results ul.search li")
        found.first.wait_for(timeout=15_000)
        assert visit.problems == []
        assert "coordination" in visit.page.locator("#search-results").inner_text().lower()


@pytest.mark.parametrize("name", CONTENT)
def test_nothing_scrolls_sideways_on_a_phone(browser, address, name):
    with Visit(browser, address, name, width=375) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 375
        wide = visit.page.eval_on_selector_all(
            "article img", "all => all.filter(i => i.getBoundingClientRect().right > 376).map(i => i.src)"
        )
        assert wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_stand_on_a_light_ground_and_text_against_its_own(browser, address, scheme):
    for name in [name for name in CONTENT if name.startswith("notebooks/")]:
        with Visit(browser, address, name, scheme=scheme) as visit:
            page = visit.page
            assert page.evaluate("document.documentElement.dataset.theme") == scheme
            page.evaluate(
                """() => {
                  window.light = (colour) => {
                    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number);
                    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
                  };
                }"""
            )
            body, text = page.evaluate(
                """() => [getComputedStyle(document.body).backgroundColor,
                          getComputedStyle(document.querySelector("article p")).color].map(light)"""
            )
            assert abs(body - text) > 0.6
            assert (body > 0.5) == (scheme == "light")
            for image in page.locator("figure.sa-figure img").all():
                image.scroll_into_view_if_needed()
                assert image.is_visible()
                # The image as painted: its lightest tone is near white and its darkest near black.
                tones = image.evaluate(
                    """(image) => {
                      const canvas = document.createElement("canvas");
                      canvas.width = 120; canvas.height = 80;
                      const context = canvas.getContext("2d");
                      context.fillStyle = getComputedStyle(document.body).backgroundColor;
                      context.fillRect(0, 0, 120, 80);
                      const ground = getComputedStyle(image).backgroundColor;
                      context.fillStyle = ground; context.fillRect(0, 0, 120, 80);
                      context.filter = getComputedStyle(image).filter;
                      context.drawImage(image, 0, 0, 120, 80);
                      const data = context.getImageData(0, 0, 120, 80).data;
                      const grey = [];
                      for (let i = 0; i < data.length; i += 4) {
                        grey.push((0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2]) / 255);
                      }
                      return [Math.min(...grey), Math.max(...grey)];
                    }"""
                )
                assert tones[1] > 0.85
                assert tones[1] - tones[0] > 0.3


@pytest.mark.parametrize("width", [1280, 375])
def test_the_interactive_map_answers_a_click(browser, address, width):
    """At a desk and on a phone, from a server and, as after a download, from the file itself."""
    name = "_static/viewers/structure-map.html"
    for place in (address, f"{HTML.as_uri()}/"):
        context = browser.new_context(viewport={"width": width, "height": 900})
        page, problems, outside = context.new_page(), [], []
        page.on("pageerror", lambda error, problems=problems: problems.append(str(error)))
        page.on(
            "request",
            lambda request, place=place, outside=outside: (
                outside.append(request.url) if not request.url.startswith((place, "data:", "blob:")) else None
            ),
        )
        page.goto(place + name)
        page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
        assert page.locator("#problem").is_hidden()
        chosen = "all => all.map(input => input.value).join()"
        before = page.locator("#info input").evaluate_all(chosen)
        box = page.locator("#map").bounding_box()
        for share in range(4, 17):  # along the diagonal of the map, until a point is hit
            page.mouse.click(box["x"] + box["width"] * share / 20, box["y"] + box["height"] * share / 20)
            page.wait_for_timeout(150)
            if page.locator("#info input").evaluate_all(chosen) != before:
                break
        assert page.locator("#info input").evaluate_all(chosen) != before
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert problems == []
        assert outside == []
        context.close()


def test_the_map_stands_on_its_page(browser, address):
    with Visit(browser, address, "notebooks/06_structure_maps.html") as visit:
        frame = visit.page.locator("iframe.sa-viewer")
        frame.scroll_into_view_if_needed()
        assert frame.get_attribute("title")
        visit.page.frame_locator("iframe.sa-viewer").locator("body[data-ready=yes]").wait_for(timeout=60_000)
        assert visit.problems == []
        assert visit.outside == []


SERIOUS = ("serious", "critical")
EXCEPT = [[".citation-list"]]
"""docutils' lists of references: axe does not know that a list may hold items of role doc-biblioentry."""


@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, "light") for name in PAGES] + [(name, "dark") for name in CONTENT if name.startswith("notebooks/")],
)
def test_axe_finds_no_serious_violation(browser, address, name, scheme):
    with Visit(browser, address, name, scheme=scheme) as visit:
        violations = Axe().run(visit.page, context={"exclude": EXCEPT}).response["violations"]
    found = [
        f"{violation['id']}: {node['target']} {node['html'][:200]}"
        for violation in violations
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]
    assert found == []


def test_axe_sees_what_is_wrong(browser):
    """The check itself fails where it must."""
    page = browser.new_page()
    page.set_content(
        "<html lang='en'><title>x</title><main><img src='data:,'>"
        "<p style='color:#ccc;background:#fff'>Words that are too pale to be read.</p></main>"
    )
    found = {violation["id"] for violation in Axe().run(page).response["violations"]}
    page.close()
    assert {"image-alt", "color-contrast"} <= found
