// What a dry run foretold: as it comes from the server, and as a chart of its own.

import { type Column, Columns } from "./columns";
import { Plot, type Window } from "./plot";

// Elapsed s of the run's own time, V, A, degC.
export interface Expected {
  elapsed_s: number[];
  voltage: Column;
  current: Column;
  temperature: Column;
}

export async function fetchExpected(address: string): Promise<Expected> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return (await answer.json()) as Expected;
}

export function expectedColumns(expected: Expected): Columns {
  const { elapsed_s: x, voltage, current, temperature } = expected;
  return Columns.plain(x, { voltage, current, temperature_body: temperature, temperature });
}

// A chart of nothing but what is expected; drag zooms, the button goes back.
export class ExpectedPlot {
  private readonly plot: Plot;
  private readonly columns: Columns;
  private readonly back: HTMLButtonElement | null;

  constructor(card: HTMLElement, expected: Expected) {
    const canvas = card.querySelector<HTMLElement>("[data-canvas]");
    if (canvas === null) throw new Error("a chart needs a place");
    this.columns = expectedColumns(expected);
    this.back = card.querySelector("[data-zoom-out]");
    this.back?.addEventListener("click", () => this.zoom(null));
    this.plot = new Plot(canvas, false, (window) => this.zoom(window));
    const warmth = { name: "temperature", title: "Temperature", unit: "°C", digits: 1 };
    const box = card.querySelector<HTMLInputElement>("[data-with-temperature]");
    box?.addEventListener("change", () => this.plot.pick(box.checked ? warmth : null));
    this.zoom(null);
  }

  private zoom(window: Window | null): void {
    if (this.back) this.back.hidden = window === null;
    this.plot.show(this.columns, window ?? { from: 0, to: Math.max(this.columns.last ?? 1, 1) });
  }
}
