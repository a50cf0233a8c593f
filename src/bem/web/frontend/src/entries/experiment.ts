import { ExpectedPlot, fetchExpected } from "../watch/expected";
import { LivePage } from "../watch/page";
import { RunPlot } from "../watch/run_plot";

const card = document.querySelector<HTMLElement>("[data-plot]");
const plot = card ? new RunPlot(card, 0) : null;
const summary = (): string | undefined =>
  document.querySelector<HTMLElement>("[data-summary]")?.dataset["state"];

// Before the run there is only what is expected of it.
const foretold = document.querySelector<HTMLElement>("[data-expected-plot]");
if (foretold) {
  void fetchExpected(foretold.dataset["expectedUrl"] ?? "").then((expected) => {
    new ExpectedPlot(foretold, expected);
  });
}

if (document.querySelector("#experiment[hx-get]")) {
  const before = summary();
  new LivePage({ onReading: (reading) => plot?.take(reading) });
  // Buttons and chart depend on whether it runs.
  document.body.addEventListener("htmx:afterSwap", () => {
    if (summary() !== before) location.reload();
  });
}
