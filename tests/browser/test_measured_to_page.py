"""From measuring to the browser: the whole way, from the converter's answer to a painted frame."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser
from tests.support.demo import Demo, demo, make_demo, run_experiment

from bem.demo.machine import SIGN_IN

__all__ = ["demo", "make_demo"]
pytestmark = [pytest.mark.demo, pytest.mark.timeout(180)]

READINGS = 60
# Notes each reading that the page shows, with the time from its measurement to the next frame.
WITNESS = """
window.witnessed = [];
window.EventSource = class extends EventSource {
  constructor(...given) {
    super(...given);
    this.addEventListener("live", (event) => requestAnimationFrame(() => {
      for (const reading of JSON.parse(event.data).stations) {
        const shown = document.querySelector("[data-station] [data-live=voltage]").textContent;
        const delay = Date.now() - Date.parse(reading.measured_at);
        window.witnessed.push({shown, voltage: reading.values.voltage, delay});
      }
    }));
  }
};
"""


def test_a_reading_is_on_the_page_within_a_second(
    demo: Demo,
    browser: Browser,
    wait_until: Callable[..., None],
    record_property: Callable[[str, object], None],
) -> None:
    path = run_experiment(demo.visitor(), wait_until, "Charge at 1 A for 10 minutes")
    with browser.new_context(base_url=demo.address) as context:
        page = context.new_page()
        page.add_init_script(WITNESS)
        page.goto("/sign-in/")
        page.fill("[name=username]", SIGN_IN)
        page.fill("[name=password]", demo.password)
        page.press("[name=password]", "Enter")
        page.wait_for_url("**/")
        page.goto(path)
        page.get_by_role("link", name="EPC 1").first.click()
        page.wait_for_url("**/stations/*/")
        wait_until(
            lambda: page.evaluate("window.witnessed.length") >= READINGS,
            "readings to come",
            timeout_s=90,
        )
        witnessed: list[dict[str, Any]] = page.evaluate("window.witnessed")
    assert all(one["shown"] == f"{one['voltage']:.3f}" for one in witnessed[1:])
    delays = sorted(one["delay"] / 1000 for one in witnessed)
    p50, p95 = delays[len(delays) // 2], delays[int(len(delays) * 0.95)]
    record_property("measured_to_page", f"p50 {p50:.3f} s, p95 {p95:.3f} s of {len(delays)}")
    assert p95 < 1
