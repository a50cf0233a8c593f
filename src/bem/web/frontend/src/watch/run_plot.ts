// The chart of a run: its recorded past from the API, its present from the stream.

import { Columns } from "./columns";
import type { Arrived } from "./feed";
import { type Expected, expectedColumns, fetchExpected } from "./expected";
import { type Further, Plot, type Window } from "./plot";
import { fetchSeries } from "./series";

const POINTS = 2000;
const MOST_POINTS = 12_000;
const GAP_MS = 5000;
// Between the newest recorded point and a live one: in s of the clock, and in usual distances.
const GAP_S = 5;
const GAP_SPACINGS = 5;

export class RunPlot {
  private readonly plot: Plot;
  private readonly hint: HTMLElement | null;
  private readonly back: HTMLButtonElement | null;
  private readonly experiment: number;
  private readonly uuid: string;
  private readonly timeScale: number;
  private columns = new Columns();
  private takenAt = -Infinity;
  private zoomed: Window | null = null;
  private loading: AbortController | null = null;

  // range in s of the run's own time; 0 is the whole run.
  constructor(
    card: HTMLElement,
    private range: number,
  ) {
    this.experiment = Number(card.dataset["experiment"]);
    this.uuid = card.dataset["uuid"] ?? "";
    this.timeScale = Number(card.dataset["timeScale"] ?? 1);
    this.hint = card.querySelector("[data-plot-hint]");
    this.back = card.querySelector("[data-zoom-out]");
    const canvas = card.querySelector<HTMLElement>("[data-canvas]");
    if (canvas === null) throw new Error("a chart needs a place");
    this.plot = new Plot(canvas, false, (window) => this.zoom(window));
    this.back?.addEventListener("click", () => this.zoom(null));
    onPick(card, (further) => this.plot.pick(further));
    void this.load();
    void this.foretell(card);
  }

  setRange(range: number): void {
    this.range = range;
    this.zoom(null);
  }

  take(reading: Arrived): void {
    if (reading.experiment !== this.uuid || reading.elapsed_us === null) return;
    const silence = reading.at - this.takenAt;
    this.takenAt = reading.at;
    if (this.loading !== null || this.zoomed !== null) return;
    // No line is drawn over a stretch that was not watched: what was recorded then is asked for.
    if (silence > GAP_MS && Number.isFinite(silence)) {
      void this.load();
      return;
    }
    const x = reading.elapsed_us / 1e6;
    const last = this.columns.last ?? x;
    const gap = Math.max(GAP_S * this.timeScale, GAP_SPACINGS * this.columns.spacing);
    if (x - last > gap) this.columns.interrupt(x);
    if (!this.columns.append(x, reading.values)) return;
    if (this.columns.x.length > MOST_POINTS) void this.load();
    else this.show();
  }

  // The curve of the dry run, which a tick of the box hides.
  private async foretell(card: HTMLElement): Promise<void> {
    const box = card.querySelector<HTMLInputElement>("[data-expected-shown]");
    const address = card.dataset["expectedUrl"];
    if (box === null || address === undefined) return;
    let expected: Expected;
    try {
      expected = await fetchExpected(address);
    } catch {
      box.disabled = true;
      return;
    }
    const columns = expectedColumns(expected);
    const follow = (): void => this.plot.expect(box.checked ? columns : null);
    box.addEventListener("change", follow);
    follow();
  }

  private zoom(window: Window | null): void {
    this.zoomed = window;
    if (this.back) this.back.hidden = window === null;
    void this.load();
  }

  async load(): Promise<void> {
    this.loading?.abort();
    const mine = new AbortController();
    this.loading = mine;
    const before = this.columns.last;
    const window =
      this.zoomed ?? (this.range > 0 && before !== undefined ? { from: before - this.range } : {});
    try {
      let series = await fetchSeries(this.experiment, window, POINTS, mine.signal);
      if (this.zoomed === null && this.range > 0) {
        // The length of the run was not known: ask again for its newest part only.
        const from = series.end_us / 1e6 - this.range;
        if (series.bucket_s > 0 || before === undefined) {
          series = await fetchSeries(this.experiment, { from }, POINTS, mine.signal);
        }
      }
      this.columns = Columns.of(series);
      this.loading = null;
      this.say(this.columns.x.length === 0 ? "Nothing is recorded in this stretch yet." : "");
      this.show();
    } catch (error) {
      if (mine.signal.aborted) return;
      this.loading = null;
      this.say("The recorded values could not be loaded. The next try follows by itself.");
      setTimeout(() => {
        if (this.loading === null) void this.load();
      }, 5000);
    }
  }

  private show(): void {
    const last = this.columns.last ?? 1;
    if (this.zoomed) this.plot.show(this.columns, this.zoomed);
    else if (this.range > 0) {
      this.columns.trim(last - this.range * 1.2);
      this.plot.show(this.columns, { from: Math.max(0, last - this.range), to: Math.max(last, 1) });
    } else this.plot.show(this.columns, { from: 0, to: Math.max(last, 1) });
    if (this.columns.x.length > 0) this.say("");
  }

  private say(text: string): void {
    if (this.hint && this.hint.textContent !== text) this.hint.textContent = text;
  }
}

export function onPick(card: HTMLElement, act: (further: Further | null) => void): void {
  const picker = card.querySelector<HTMLSelectElement>("[data-channel-picker]");
  picker?.addEventListener("change", () => {
    const option = picker.selectedOptions[0];
    if (!option || option.value === "") act(null);
    else {
      act({
        name: option.value,
        title: (option.textContent ?? "").replace(/^\+ | \([^)]*\)$/g, ""),
        unit: option.dataset["unit"] ?? "",
        digits: Number(option.dataset["digits"] ?? 3),
      });
    }
  });
}
