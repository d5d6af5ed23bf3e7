"""The widget on another site, in a real browser: a second origin with hostile styles and a strict policy."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from fake_bot import REFUND, FakeBot
from fake_journal import FakeJournal
from flask import Flask
from flask.testing import FlaskClient
from test_web_chat import AXE, browser_only

from bot.settings import Settings
from web import create_app, shades
from web.shades import contrast, read_color

SHOP = "https://shop.example"
HOSTILE = """
body *, html > div, dialog, iframe, button {
  display: none !important; opacity: 0 !important; transform: scale(0) !important;
}
* {
  position: static !important; width: 1px !important; height: 1px !important; z-index: -1 !important;
  color: red !important; background: red !important; font-size: 70px !important; visibility: hidden; direction: rtl;
}
body main { display: block !important; opacity: 1 !important; transform: none !important; }
body #before, body #own {
  display: inline !important; opacity: 1 !important; transform: none !important; visibility: visible;
}
"""
PAGE = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{style}
<script src="{site}/widget.js" {attributes} async></script></head>
<body><main><h1>Shop</h1><a id="before" href="#x">A link of the shop</a>
<a id="own" href="#y">Another</a></main></body></html>"""
STYLE = '<link rel="stylesheet" href="/hostile.css">'


class Shop:
    """Another site, on a port of its own, that names the widget's script."""

    def __init__(self, site: str) -> None:
        self.site, self.style, self.lang, self.attributes = site, STYLE, "en", ""
        shop = self

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                css = self.path.endswith(".css")
                body = HOSTILE if css else PAGE.format(**vars(shop))
                self.send_response(200)
                self.send_header("Content-Type", "text/css" if css else "text/html; charset=utf-8")
                plain = self.path.endswith("/plain")
                policy = (
                    "default-src *"
                    if plain
                    else f"default-src 'none'; script-src {site}; frame-src {site}; style-src 'self'"
                )
                self.send_header("Content-Security-Policy", policy)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        # "localhost" is another site than "127.0.0.1" to a browser, not only another origin.
        self.origin = f"http://localhost:{self.server.server_port}"


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def app(bot: FakeBot, journal: FakeJournal) -> Flask:
    app = create_app(bot, Settings(origins=(SHOP,)))
    app.extensions["journal"] = journal
    return app


def allow(app: Flask, *origins: str) -> None:
    """Change which sites may, while the server runs."""
    app.extensions["settings"] = replace(app.extensions["settings"], origins=origins)


@pytest.fixture
def shop(site: str, app: Flask) -> Iterator[Shop]:
    shop = Shop(site)
    allow(app, SHOP, shop.origin)
    thread = threading.Thread(target=shop.server.serve_forever)
    thread.start()
    yield shop
    shop.server.shutdown()
    shop.server.server_close()
    thread.join()


class Visit:
    """A tab on the shop's page, and what a visitor does with the widget."""

    def __init__(self, page: Any, shop: Shop) -> None:
        self.page, self.shop = page, shop
        self.told: list[str] = []
        page.on("console", lambda told: self.told.append(told.text))
        page.on("pageerror", lambda error: self.told.append(str(error)))
        page.goto(shop.origin)
        self.bubble = page.locator("button[aria-haspopup=dialog]")
        self.dialog = page.locator("dialog")
        self.frame = page.frame_locator("iframe")

    def open(self) -> None:
        self.bubble.click()
        self.frame.locator("#message").wait_for()
        self.inside().wait_for_load_state()  # the modules have run

    def say(self, message: str) -> None:
        self.frame.locator("#message").fill(message)
        self.frame.locator("#message").press("Enter")
        self.settle()

    def settle(self) -> None:
        self.frame.locator("#log:not(:has(.waiting)) .theirs:last-child").wait_for()

    def texts(self) -> list[str]:
        return [text.strip() for text in self.frame.locator("#log .text").all_inner_texts()]

    def inside(self) -> Any:
        """The frame itself, for what only a frame can be asked."""
        (frame,) = (one for one in self.page.frames if "/widget?" in one.url)
        return frame

    def focused(self) -> str:
        """What has the focus on the shop's page, within the widget too."""
        script = "(document.activeElement.shadowRoot ?? document).activeElement"
        return str(self.page.evaluate(f"({script}).id || ({script}).tagName"))


@pytest.fixture
def context(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    options = {"locale": "en-US", "reduced_motion": "reduce"} | getattr(request, "param", {})
    opened = browser.new_context(**options)
    yield opened
    opened.close()


@pytest.fixture
def visit(context: Any, shop: Shop) -> Iterator[Visit]:
    visit = Visit(context.new_page(), shop)
    yield visit
    assert visit.told == []


def box(found: Any) -> tuple[int, int, int, int]:
    place = found.bounding_box()
    return tuple(round(place[side]) for side in ("x", "y", "width", "height"))  # type: ignore[return-value]


# ---- On a site with hostile styles and a strict policy


@browser_only
def test_the_bubble_opens_a_dialog_that_answers(visit: Visit, journal: FakeJournal) -> None:
    assert box(visit.bubble) == (1280 - 20 - 56, 720 - 20 - 56, 56, 56)
    assert visit.page.get_by_role("dialog").count() == 0
    assert visit.page.locator("iframe").count() == 0  # nothing is loaded before it is wanted
    visit.open()
    assert visit.bubble.get_attribute("aria-expanded") == "true"
    assert visit.page.get_by_role("dialog", name="Questions? Ask here").count() == 1
    assert box(visit.dialog) == (1280 - 20 - 400, 720 - 92 - 608, 400, 608)
    visit.say("How do I get a refund?")
    assert visit.texts() == ["How do I get a refund?", REFUND.text]
    assert visit.frame.get_by_role("log", name="Conversation").count() == 1
    ((message, channel, session),) = journal.exchanges
    assert (message, channel, len(session or "")) == ("How do I get a refund?", "widget", 32)
    color = visit.frame.locator(".theirs .text").evaluate("p => getComputedStyle(p).color")
    assert color == "rgb(27, 33, 30)"  # ours, not the shop's red
    assert visit.page.context.cookies() == []


@browser_only
def test_the_site_keeps_its_own_look(visit: Visit) -> None:
    look = """[...document.querySelectorAll("html, body, body *")].map(
        e => [...getComputedStyle(e)].map(name => getComputedStyle(e).getPropertyValue(name)).join())"""
    before = visit.page.evaluate(look)
    visit.open()
    assert visit.page.evaluate(look) == before


@browser_only
def test_a_choice_and_a_thumb(visit: Visit, journal: FakeJournal) -> None:
    visit.open()
    visit.say("which one")
    visit.frame.locator("#log button.choice").first.click()
    visit.frame.locator(".theirs >> nth=1").wait_for()
    visit.settle()
    with visit.page.expect_response("**/api/vote"):
        visit.frame.get_by_role("button", name="Helpful", exact=True).last.click()
    assert sorted(journal.notes) == [("x1", "chose q1"), ("x2", "vote up")]
    assert [channel for _, channel, _ in journal.exchanges] == ["widget", "widget"]


@browser_only
def test_the_focus_moves_in_and_returns(visit: Visit) -> None:
    visit.page.locator("#before").focus()
    visit.bubble.focus()
    visit.page.keyboard.press("Enter")
    visit.frame.locator("#message:focus").wait_for()
    assert visit.focused() == "IFRAME"
    visit.page.keyboard.press("Escape")
    visit.dialog.wait_for(state="hidden")
    assert visit.focused() == "BUTTON"
    assert visit.bubble.get_attribute("aria-expanded") == "false"
    visit.page.keyboard.press("Space")
    visit.frame.locator("#message:focus").wait_for()
    visit.frame.get_by_role("button", name="Close").click()
    visit.dialog.wait_for(state="hidden")
    assert visit.focused() == "BUTTON"


@browser_only
def test_the_dialog_is_no_trap_beside_the_page(context: Any, shop: Shop) -> None:
    shop.style = ""
    visit = Visit(context.new_page(), shop)
    visit.open()
    visit.frame.locator("#message:focus").wait_for()  # or it would take the focus back
    visit.page.locator("#own").click()  # the page behind stays usable
    visit.page.keyboard.press("Escape")  # and its Escape is its own
    assert visit.dialog.is_visible()
    visit.bubble.focus()
    visit.page.keyboard.press("Escape")
    assert not visit.dialog.is_visible()


@browser_only
def test_the_site_opens_and_closes_it_by_itself(visit: Visit) -> None:
    visit.page.locator("#own").focus()
    visit.page.evaluate("Mundap.open()")
    visit.frame.locator("#message:focus").wait_for()
    visit.page.evaluate("Mundap.open()")  # once is enough
    visit.page.keyboard.press("Escape")
    visit.dialog.wait_for(state="hidden")
    assert visit.focused() == "own"
    visit.page.evaluate("Mundap.open()")
    visit.page.locator("#before").focus()
    visit.page.evaluate("Mundap.close()")
    assert visit.focused() == "before"  # whoever is elsewhere stays there


@browser_only
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_conversation_lasts_as_long_as_the_tab(
    context: Any, shop: Shop, app: Flask, journal: FakeJournal, name: str
) -> None:
    shop.origin = shop.origin.replace("localhost", name)
    allow(app, shop.origin)
    visit = Visit(context.new_page(), shop)
    visit.open()
    visit.say("hello")
    visit.page.goto(f"{visit.shop.origin}/another-page")
    visit.open()
    assert visit.texts() == ["hello", "Hello! Ask me anything."]
    visit.say("hello")
    assert len({session for _, _, session in journal.exchanges}) == 1
    visit.frame.locator("#new").click()
    visit.say("hello")
    assert len({session for _, _, session in journal.exchanges}) == 2
    # A browser without a person keeps nothing for frames of another site, as private windows do: the page does it.
    assert visit.page.evaluate("sessionStorage.length") == (name == "localhost")


@browser_only
@pytest.mark.parametrize("context", [{"viewport": {"width": 390, "height": 780}, "has_touch": True}], indirect=True)
def test_on_a_phone_it_is_a_sheet_over_everything(visit: Visit) -> None:
    visit.open()
    assert box(visit.dialog) == (0, 0, 390, 780)
    assert box(visit.page.locator("iframe")) == (0, 0, 390, 780)
    assert visit.page.evaluate("document.querySelector('html > div').shadowRoot.querySelector('dialog:modal') !== null")
    for message in ("How do I get a refund?", "which one", "w" * 300):
        visit.say(message)
    visit.frame.locator("summary").first.click()
    assert visit.inside().evaluate("document.documentElement.scrollWidth") == 390
    visit.page.set_viewport_size({"width": 1000, "height": 780})  # turned: beside the page again
    assert box(visit.dialog)[2:] == (400, 668)
    assert visit.texts()[0] == "How do I get a refund?"
    visit.page.set_viewport_size({"width": 390, "height": 780})
    visit.frame.get_by_role("button", name="Close").click()
    visit.dialog.wait_for(state="hidden")
    assert visit.bubble.is_visible()


@browser_only
@pytest.mark.parametrize("context", [{"viewport": {"width": 390, "height": 780}}], indirect=True)
def test_every_target_is_large_enough_for_a_finger(visit: Visit) -> None:
    visit.open()
    visit.say("How do I get a refund?")
    visit.say("which one")
    visit.say("weather on Mars")
    targets = visit.frame.locator("button:visible, summary:visible, textarea:visible").all()
    assert len(targets) > 12
    small = [(one.inner_text(), box(one)) for one in targets if min(box(one)[2:]) < 44]
    assert small == []


# ---- Languages and looks


@browser_only
@pytest.mark.parametrize(
    ("page_lang", "attributes", "lang", "title"),
    [
        ("ko", "", "ko", "궁금한 점을 물어보세요"),
        ("ko-KR", "", "ko", "궁금한 점을 물어보세요"),
        ("fr", "", "en", "Questions? Ask here"),
        ("", "", "en", "Questions? Ask here"),
        ("en", 'data-lang="ko" data-title="우리 가게 &lt;b&gt; 도우미"', "ko", "우리 가게 <b> 도우미"),
        ("ko", 'data-lang="en"', "en", "Questions? Ask here"),
    ],
)
def test_it_speaks_the_language_of_the_page(
    context: Any, shop: Shop, page_lang: str, attributes: str, lang: str, title: str
) -> None:
    shop.lang, shop.attributes = page_lang, attributes
    visit = Visit(context.new_page(), shop)
    assert visit.page.get_by_role("button", name=title).count() == 1
    visit.open()
    assert visit.page.get_by_role("dialog", name=title).count() == 1
    assert visit.inside().evaluate("document.documentElement.lang") == lang
    shown = title if "data-title" in attributes else {"ko": "문답", "en": "Mundap"}[lang]
    assert visit.frame.locator("h1").inner_text() == shown
    assert visit.told == []


@browser_only
@pytest.mark.parametrize("context", [{"color_scheme": "dark"}, {"color_scheme": "light"}], indirect=True)
@pytest.mark.parametrize("theme", ["dark", "light", "auto", ""])
def test_its_theme_is_the_one_asked_for_or_the_visitors(context: Any, shop: Shop, theme: str) -> None:
    shop.attributes, shop.style = theme and f'data-theme="{theme}"', ""
    visit = Visit(context.new_page(), shop)
    visit.open()
    dark = {"dark": True, "light": False}.get(
        theme, visit.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    )
    paper = visit.inside().evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert paper == ("rgb(18, 22, 20)" if dark else "rgb(246, 247, 244)")


@browser_only
def test_the_site_chooses_colour_and_side(context: Any, shop: Shop) -> None:
    shop.attributes = 'data-color="#fd0" data-position="left"'
    visit = Visit(context.new_page(), shop)
    visit.open()
    assert box(visit.bubble)[0] == box(visit.dialog)[0] == 20
    look = visit.bubble.evaluate("b => [getComputedStyle(b).backgroundColor, getComputedStyle(b).color]")
    assert look == ["rgb(255, 221, 0)", "rgb(0, 0, 0)"]
    visit.say("hello")
    mine = visit.frame.locator(".mine").evaluate("m => getComputedStyle(m).backgroundColor")
    assert mine == f"rgb{shades.readable_on((255, 221, 0), shades.PAPERS[0])}"
    assert barriers(visit.inside()) == []


@browser_only
def test_a_colour_that_is_none_changes_nothing(context: Any, shop: Shop) -> None:
    shop.attributes = 'data-color="red;}" data-theme="pink" data-position="top"'
    visit = Visit(context.new_page(), shop)
    visit.open()
    assert visit.bubble.evaluate("b => getComputedStyle(b).backgroundColor") == "rgb(28, 107, 93)"
    assert visit.told == []


@browser_only
@pytest.mark.parametrize(
    "context",
    [{"viewport": {"width": 390, "height": 780}}, {"color_scheme": "dark", "forced_colors": "active"}, {}],
    indirect=True,
)
def test_axe_finds_no_barrier_outside_or_inside(context: Any, shop: Shop) -> None:
    shop.lang, shop.style = "ko", ""
    visit = Visit(context.new_page(), shop)
    assert barriers(visit.page) == []
    visit.open()
    assert barriers(visit.inside()) == []
    for message in ("How do I get a refund?", "which one", "weather on Mars", "hello"):
        visit.say(message)
    visit.frame.locator("summary").first.click()
    assert barriers(visit.inside()) == []
    assert barriers(visit.page) == []


def barriers(frame: Any) -> list[str]:
    """What axe calls serious or critical in one document, with the first place of each."""
    frame.evaluate(AXE)
    found = frame.evaluate("axe.run(document, {iframes: false})")
    assert len(found["passes"]) > 8
    grave = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in grave]


# ---- Who may


@browser_only
def test_another_site_gets_nothing_but_a_line_that_says_why(context: Any, shop: Shop, app: Flask) -> None:
    allow(app, SHOP)
    visit = Visit(context.new_page(), shop)
    visit.page.wait_for_load_state("networkidle")
    assert visit.bubble.count() == 0
    assert visit.page.evaluate("typeof Mundap") == "undefined"
    assert visit.told == [
        f"Mundap: this site may not show the bot. Where the bot runs, add it: MUNDAP_ORIGINS={shop.origin}"
    ]


@browser_only
def test_the_browser_refuses_the_frame_on_another_site(context: Any, shop: Shop, app: Flask) -> None:
    visit = Visit(context.new_page(), shop)
    visit.bubble.wait_for()
    allow(app, SHOP)  # the script was let in before; what counts is the browser's own rule
    with visit.page.expect_event("console", lambda told: "frame-ancestors" in told.text):
        visit.bubble.click()
    assert visit.frame.locator("#message").count() == 0


@browser_only
def test_scripts_of_an_allowed_site_may_ask_and_others_not(context: Any, shop: Shop, app: Flask) -> None:
    page = context.new_page()
    page.goto(f"{shop.origin}/plain")
    ask = f"""fetch("{shop.site}/api/ask", {{method: "POST", headers: {{"Content-Type": "application/json"}},
        body: JSON.stringify({{message: "hello"}})}}).then(r => r.json()).then(a => a.decision, e => e.name)"""
    assert page.evaluate(ask) == "smalltalk"
    allow(app, SHOP)
    assert page.evaluate(ask) == "TypeError"


def test_the_frame_may_stand_in_exactly_these_sites(bot: FakeBot) -> None:
    for origins, ancestors in [
        ((), "'none'"),
        ((SHOP,), SHOP),
        ((SHOP, "http://localhost:8080"), f"{SHOP} http://localhost:8080"),
        (("*",), "*"),
    ]:
        client = create_app(bot, Settings(origins=origins)).test_client()
        for path, expected in (("/widget", ancestors), ("/", "'none'"), ("/widget.js", "'none'")):
            with client.get(path) as response:
                policy = dict(rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; "))
                assert policy["frame-ancestors"] == expected
                assert policy["script-src"] == "'self'"
                assert "Set-Cookie" not in response.headers


def test_the_api_is_opened_to_these_sites_alone(client: FlaskClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for origin, expected in (
        (SHOP, SHOP),
        ("https://evil.example", None),
        ("null", None),
        (SHOP + ".evil.example", None),
    ):
        headers = {"Origin": origin}
        for response in (
            client.options("/api/ask", headers=headers | asked),
            client.post("/api/ask", json={"message": "hello"}, headers=headers),
            client.post("/api/ask", json={}, headers=headers),  # a refusal is read too
            client.get("/api/health", headers=headers),
        ):
            assert response.headers.get("Access-Control-Allow-Origin") == expected
            assert "Access-Control-Allow-Credentials" not in response.headers
            assert "Origin" in response.headers["Vary"]
    preflight = client.options("/api/vote", headers={"Origin": SHOP} | asked)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in client.get("/", headers={"Origin": SHOP}).headers


def test_the_api_is_closed_by_default_and_may_be_opened_to_all(bot: FakeBot) -> None:
    for origins, expected in (((), None), (("*",), "https://any.example")):
        client = create_app(bot, Settings(origins=origins)).test_client()
        response = client.get("/api/health", headers={"Origin": "https://any.example"})
        assert response.headers.get("Access-Control-Allow-Origin") == expected


def test_the_script_knows_the_sites_and_may_be_kept_for_minutes(client: FlaskClient) -> None:
    response = client.get("/widget.js")
    assert response.mimetype == "text/javascript"
    assert f'const ORIGINS = ["{SHOP}"];' in response.text
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_the_page_of_the_frame_believes_nothing_it_is_told(client: FlaskClient) -> None:
    page = client.get("/widget?title=<script>x</script>&host=https://evil.example&color=red;}&theme=<x>&lang=xx").text
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert '"host": ""' in page
    assert "widget.css?color" not in page
    assert "data-theme" not in page
    good = client.get(f"/widget?host={SHOP}&color=%230a7&theme=dark&lang=ko").text
    assert f'"host": "{SHOP}"' in good
    assert "/widget.css?color=0a7" in good
    assert '<html lang="ko" data-theme="dark">' in good


# ---- The site's colour


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.478, abs=0.001)  # the well-known #777
    assert contrast((255, 0, 0), (255, 255, 255)) == pytest.approx(3.998, abs=0.001)


def test_any_colour_becomes_one_that_can_be_read() -> None:
    for digits in ("fff", "000", "fd0", "0a7", "7f7f7f", "f00", "00f"):
        color = read_color(digits)
        for paper in shades.PAPERS:
            shade = shades.readable_on(color, paper)
            assert contrast(shade, paper) >= 4.5
            assert contrast(shades.ink(shade), shade) >= 4.5
    assert shades.readable_on((28, 107, 93), shades.PAPERS[0]) == (28, 107, 93)  # good as it is: not touched


def test_the_colours_are_a_style_sheet(client: FlaskClient) -> None:
    response = client.get("/widget.css?color=1c6b5d")
    assert response.mimetype == "text/css"
    assert "--accent: light-dark(#1c6b5d, " in response.text
    assert client.get("/widget.css?color=x}").text == ""
