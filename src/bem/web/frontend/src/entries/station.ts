import { IdlePlot } from "../watch/idle_plot";
import { LivePage } from "../watch/page";
import { RunPlot } from "../watch/run_plot";

const FIRST_RANGE = 300;
const card = document.querySelector<HTMLElement>("[data-plot]");

if (card) {
  const shown = card.dataset["uuid"] ?? "";
  const plot = shown === "" ? new IdlePlot(card, FIRST_RANGE) : new RunPlot(card, FIRST_RANGE);
  const buttons = [...card.querySelectorAll<HTMLButtonElement>("[data-range]")];
  for (const button of buttons) {
    if (shown === "" && button.dataset["range"] === "0") button.hidden = true;
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      plot.setRange(Number(button.dataset["range"]));
    });
  }
  new LivePage({ onReading: (reading) => plot.take(reading) });
  // Another experiment needs another chart.
  document.body.addEventListener("htmx:afterSwap", () => {
    const panel = document.querySelector<HTMLElement>("#station [data-running]");
    if (panel && panel.dataset["running"] !== shown) location.reload();
  });
}
