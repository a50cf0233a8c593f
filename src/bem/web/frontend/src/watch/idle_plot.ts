// The chart of a station without an experiment: what has come in live, by the clock.

import { Columns } from "./columns";
import type { Arrived } from "./feed";
import { Plot, type Window } from "./plot";
import { onPick } from "./run_plot";

const KEEP_S = 3600;

export class IdlePlot {
  private readonly plot: Plot;
  private readonly columns = new Columns();
  private readonly back: HTMLButtonElement | null;
  private zoomed: Window | null = null;

  constructor(
    card: HTMLElement,
    private range: number,
  ) {
    const canvas = card.querySelector<HTMLElement>("[data-canvas]");
    if (canvas === null) throw new Error("a chart needs a place");
    this.back = card.querySelector("[data-zoom-out]");
    this.plot = new Plot(canvas, true, (window) => this.zoom(window));
    this.back?.addEventListener("click", () => this.zoom(null));
    onPick(card, (further) => this.plot.pick(further));
    const now = Date.now() / 1000;
    const rows = JSON.parse(card.dataset["points"] ?? "[]") as [number, number, number][];
    for (const [age, voltage, current] of rows) {
      this.columns.append(now - age, { voltage, current });
    }
    const hint = card.querySelector("[data-plot-hint]");
    if (hint) hint.textContent = "No experiment: live values only, nothing is recorded.";
    this.show();
  }

  setRange(range: number): void {
    this.range = range > 0 ? range : KEEP_S;
    this.zoom(null);
  }

  take(reading: Arrived): void {
    const x = (performance.timeOrigin + reading.at) / 1000;
    if (!this.columns.append(x, reading.values)) return;
    this.columns.trim(x - KEEP_S);
    if (this.zoomed === null) this.show();
  }

  private zoom(window: Window | null): void {
    this.zoomed = window;
    if (this.back) this.back.hidden = window === null;
    this.show();
  }

  private show(): void {
    const last = Math.max(this.columns.last ?? 0, Date.now() / 1000 - 2);
    this.plot.show(this.columns, this.zoomed ?? { from: last - this.range, to: last });
  }
}
