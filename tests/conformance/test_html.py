"""The report as a page, opened in a browser: Chromium, where it is installed."""

import itertools
import json
import shutil
from copy import deepcopy

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from conformance.reports.formats.html import render

DRIVER, *BROWSERS = map(shutil.which, ("chromedriver", "chromium", "chromium-browser", "google-chrome"))
BROWSER = next(filter(None, BROWSERS), "")
OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
HOSTILE = "\"'><script>window.taken = 1</script><img src=x onerror='window.taken = 1'>--></style>\u202e\x00{{ 7 * 7 }}"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="no chromium and chromedriver are installed here"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def data(report_data):
    """With what a kernel in this process has none of."""
    data = deepcopy(report_data)
    data["failures"][0]["script"] = "import numpy as np\n\nprint('wrong')\n"
    data["failures"][0]["also"] = [dict(data["failures"][0], also=[], output="grad_input")]
    return data


@pytest.fixture(scope="module")
def page(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(data), encoding="ascii")
    return path.as_uri()


@pytest.fixture
def opened(browser, page):
    look(browser, 1600, "light")
    browser.get("about:blank")
    browser.get(page)
    return browser


def look(browser, width, theme, scripted=True, media=""):
    """How wide the window is, and what the system's theme is."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripted})


def visible(browser, selector):
    return [each for each in browser.find_elements(By.CSS_SELECTOR, selector) if each.is_displayed()]


BACKGROUND = "return getComputedStyle(document.body).backgroundColor"
OPEN = "document.querySelectorAll('details').forEach(each => { each.open = true; })"
LOOKS = list(itertools.product((400, 1600), ("light", "dark")))


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_the_page_opens_without_an_error(browser, page, width, theme):
    look(browser, width, theme)
    browser.get_log("browser")
    browser.get(page)
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_nothing_is_wider_than_the_window(browser, page, width, theme):
    look(browser, width, theme)
    browser.get(page)
    browser.execute_script(OPEN)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_word_of_the_table_leads_to_what_it_means(browser, page):
    look(browser, 1600, "light")
    browser.get(page)
    assert visible(browser, "#word-exact") == []
    browser.find_element(By.CSS_SELECTOR, "table.verdicts a[href='#word-exact']").click()
    (meaning,) = visible(browser, "#word-exact")
    assert "bit for bit" in meaning.text or "exact representation" in meaning.text


CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function rgb(color) {
  for (const each of ["#fff", color]) { canvas.fillStyle = each; canvas.fillRect(0, 0, 1, 1); }
  return canvas.getImageData(0, 0, 1, 1).data;
}
function light(of) {
  const [r, g, b] = [0, 1, 2].map(i => of[i] / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function behind(element) {
  const color = getComputedStyle(element).backgroundColor;
  return color === "rgba(0, 0, 0, 0)" ? behind(element.parentElement) : color;
}
return [...document.querySelectorAll("main *, header *, nav *, footer *")].filter(element =>
  !element.closest("svg") && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())
  && element.offsetParent
).map(element => {
  const [a, b] = [rgb(behind(element)), rgb(getComputedStyle(element).color)].map(light).sort((x, y) => y - x);
  return [(a + 0.05) / (b + 0.05), element.outerHTML.slice(0, 80)];
}).filter(([ratio]) => ratio < 4.5);
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(browser, page, theme):
    look(browser, 1600, theme)
    browser.get(page)
    browser.execute_script(OPEN)
    assert browser.execute_script(CONTRAST) == []


def test_the_button_changes_the_theme_and_it_stays(opened, page):
    colors = []
    for _ in range(3):
        opened.find_element(By.ID, "theme").click()
        opened.refresh()
        colors.append(opened.execute_script(BACKGROUND))
    light, dark, system = colors
    assert light == system != dark


def test_a_page_is_printed_on_white(browser, page):
    look(browser, 1600, "dark", media="print")
    browser.get(page)
    assert browser.execute_script(BACKGROUND) == "rgb(255, 255, 255)"


def test_nothing_is_loaded_from_elsewhere(opened):
    assert (
        opened.execute_script("return performance.getEntriesByType('resource').map(each => each.name)") == []
    )


def test_every_id_is_there_once(opened):
    ids = opened.execute_script("return [...document.querySelectorAll('[id]')].map(each => each.id)")
    assert len(ids) == len({*ids}) > 10


def test_every_link_leads_to_something(opened):
    links = opened.execute_script("return [...document.links].map(each => each.hash.slice(1))")
    ids = opened.execute_script("return [...document.querySelectorAll('[id]')].map(each => each.id)")
    assert links and {*links} <= {*ids}


def test_headings_go_down_one_level_at_a_time(opened):
    script = (
        "return [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(each => Number(each.tagName[1]))"
    )
    levels = opened.execute_script(script)
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_every_picture_says_in_words_what_it_shows(opened):
    labels = [each.get_attribute("aria-label") for each in opened.find_elements(By.CSS_SELECTOR, "svg")]
    assert labels and all(labels)


def test_every_control_has_a_name(opened):
    controls = visible(opened, "button, select, input, [role=group]")
    assert [each.get_attribute("outerHTML") for each in controls if not each.accessible_name] == []


@pytest.mark.parametrize(("width", "stops"), [(400, True), (1600, False)])
def test_the_keyboard_stops_at_a_table_that_can_be_scrolled_alone(browser, page, width, stops):
    look(browser, width, "light")
    browser.get(page)
    table = browser.find_element(By.CSS_SELECTOR, ".matrix .scroll")
    assert (table.get_attribute("tabindex") == "0") == stops


def test_the_first_key_offers_to_skip_the_head(opened):
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert opened.switch_to.active_element.text == "Skip to the verdict"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("operation", "avg_pool1d", 1),
        ("output", "grad_input", 1),
        ("requirement", "arguments", 0),
        ("operation", "", 2),
    ],
)
def test_a_choice_filters_the_findings(opened, name, value, shown):
    Select(opened.find_element(By.NAME, name)).select_by_visible_text(value or "all")
    assert len(visible(opened, ".finding")) == shown
    assert opened.find_element(By.ID, "shown").text == f"{shown} of 2 findings"


def test_a_choice_filters_the_matrix(opened):
    Select(opened.find_element(By.NAME, "operation")).select_by_visible_text("conv2d")
    Select(opened.find_element(By.NAME, "requirement")).select_by_visible_text("rounding")
    assert [each.text.split()[0] for each in visible(opened, ".matrix h3")] == ["conv2d"]
    assert [each.text for each in visible(opened, ".matrix tbody th")] == ["rounding"]


def test_the_table_of_a_chosen_operation_is_open(opened):
    opened.execute_script("document.querySelectorAll('.matrix').forEach(each => { each.open = false; })")
    Select(opened.find_element(By.NAME, "operation")).select_by_visible_text("avg_pool1d")
    assert visible(opened, ".matrix tbody th")


def test_a_text_filters_the_findings(opened):
    opened.find_element(By.NAME, "text").send_keys("CEIL_mode")
    assert [each.text.split()[0] for each in visible(opened, ".finding h3")] == ["avg_pool1d"]


def test_a_filter_that_nothing_fits_says_so_and_can_be_cleared(opened):
    opened.find_element(By.NAME, "text").send_keys("no such text")
    assert [each.text for each in visible(opened, ".none-shown")] == ["No finding fits the filter."]
    opened.find_element(By.CSS_SELECTOR, "[type=reset]").click()
    WebDriverWait(opened, 5).until(lambda browser: len(visible(browser, ".finding")) == 2)


def test_a_link_shows_a_finding_that_a_filter_hides(opened):
    opened.find_element(By.NAME, "text").send_keys("no such text")
    anchor = opened.find_element(By.CSS_SELECTOR, ".finding").get_attribute("id")
    opened.find_element(By.CSS_SELECTOR, f".matrix a[href='#{anchor}']").click()
    WebDriverWait(opened, 5).until(lambda browser: len(visible(browser, f"#{anchor}")) == 1)


@pytest.mark.parametrize(
    ("selector", "entry"),
    [
        (".facts .copy", "case"),
        (".facts dd:nth-of-type(2) .copy", "replay"),
        (".script-text .copy", "script"),
    ],
)
def test_a_button_copies_what_it_stands_beside(opened, data, selector, entry):
    opened.execute_script(OPEN)
    button = opened.find_element(By.CSS_SELECTOR, f".finding {selector}")
    opened.execute_script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", button)
    button.click()
    WebDriverWait(opened, 5).until(lambda _: button.text == "Copied")
    opened.execute_script("document.body.appendChild(document.createElement('textarea')).focus()")
    opened.switch_to.active_element.send_keys(Keys.CONTROL, "v")
    assert opened.switch_to.active_element.get_property("value") == data["failures"][0][entry]


def test_two_parameters_are_shown_as_a_table_of_counts(opened, data):
    opened.execute_script(OPEN)
    pair = data["coverage"][0]["pairs"][3]
    place = opened.find_element(By.CSS_SELECTOR, ".pairs")
    Select(place.find_element(By.TAG_NAME, "select")).select_by_visible_text(
        f"{pair['first']} with {pair['second']}"
    )
    cells = [each.text for each in place.find_elements(By.CSS_SELECTOR, "tbody td")]
    assert cells == [f"{count:,}" for counts in pair["counts"] for count in counts]


def test_the_page_is_read_without_its_script_too(browser, page):
    look(browser, 1600, "light", scripted=False)
    browser.get(page)
    assert len(visible(browser, ".finding")) == 2
    assert visible(browser, ".script") == []


KEPT = {"operation", "operations", "arrays", "verdict", "first", "second"}  # words that the page knows


def spoiled(value, name=""):
    """The same data with another text everywhere."""
    if isinstance(value, dict):
        return {key: each if key in KEPT else spoiled(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [spoiled(each) for each in value]
    return HOSTILE if isinstance(value, str) else value


def test_no_text_of_a_kernel_becomes_part_of_the_page(browser, data, tmp_path):
    look(browser, 1600, "light")
    (tmp_path / "hostile.html").write_text(render(spoiled(data)), encoding="ascii")
    browser.get_log("browser")
    browser.get((tmp_path / "hostile.html").as_uri())
    assert browser.get_log("browser") == []
    assert browser.execute_script("return [window.taken, document.images.length]") == [None, 0]
    shown = json.dumps(browser.find_element(By.CSS_SELECTOR, ".finding .message").text)
    assert "<script>window.taken = 1</script>" in shown and "{{ 7 * 7 }}" in shown
