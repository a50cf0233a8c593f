import { LivePage } from "../watch/page";
import { RunPlot } from "../watch/run_plot";

const card = document.querySelector<HTMLElement>("[data-plot]");
const plot = card ? new RunPlot(card, 0) : null;
const summary = (): string | undefined =>
  document.querySelector<HTMLElement>("[data-summary]")?.dataset["state"];

if (document.querySelector("#experiment[hx-get]")) {
  const before = summary();
  new LivePage({ onReading: (reading) => plot?.take(reading) });
  // Buttons and chart depend on whether it runs.
  document.body.addEventListener("htmx:afterSwap", () => {
    if (summary() !== before) location.reload();
  });
}
