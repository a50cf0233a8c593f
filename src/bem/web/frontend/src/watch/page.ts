// A page that lives: values from the stream go into the elements that name them, and what the
// stream only hints at (states, queues) is asked of the server again by htmx.

import { type Arrived, Feed } from "./feed";
import { clockTime, duration, fixed } from "./words";

export const STALE_MS = 3000;
const FORGET_MS = 60_000;
const TICK_MS = 500;
// The manager writes a change to the database a moment after the hub hears of it.
const REFRESH_AFTER_MS = [500, 2500];
const LEAST_BETWEEN_REFRESHES_MS = 2000;

export interface Watcher {
  onReading?(reading: Arrived): void;
  afterRender?(element: HTMLElement, reading: Arrived | undefined, fresh: boolean): void;
}

export class LivePage {
  private readonly newest = new Map<number, Arrived>();
  private readonly watcher: Watcher;
  private feed: Feed | null = null;
  private watched = "";
  private connected = false;
  private refreshedAt = -Infinity;

  constructor(watcher: Watcher = {}) {
    this.watcher = watcher;
    document.body.addEventListener("htmx:afterSwap", () => {
      this.watch();
      this.renderAll();
    });
    setInterval(() => this.renderAll(), TICK_MS);
    this.watch();
    this.renderAll();
  }

  reading(station: number): Arrived | undefined {
    return this.newest.get(station);
  }

  private elements(): NodeListOf<HTMLElement> {
    return document.querySelectorAll<HTMLElement>("[data-station]");
  }

  private watch(): void {
    const stations = [...this.elements()].map((element) => Number(element.dataset["station"]));
    const unique = [...new Set(stations)].sort((a, b) => a - b);
    if (unique.join(",") === this.watched) return;
    this.watched = unique.join(",");
    this.feed?.stop();
    this.feed = new Feed(unique, {
      onReading: (reading) => this.take(reading),
      onChanged: () => this.refreshSoon(),
      onConnection: (connected) => {
        // What changed while the stream was away is not told again.
        if (connected && !this.connected) this.refreshSoon();
        this.connected = connected;
        this.renderLight();
      },
    });
  }

  private take(reading: Arrived): void {
    this.newest.set(reading.station, reading);
    this.watcher.onReading?.(reading);
    for (const element of this.elements()) {
      if (Number(element.dataset["station"]) !== reading.station) continue;
      this.render(element);
      const known = element.dataset["running"];
      if (known !== undefined && known !== (reading.experiment ?? "")) this.refreshNow();
      else if (known !== undefined && element.dataset["state"] !== reading.state) this.refreshNow();
      else if ((element.dataset["activity"] ?? reading.activity ?? "") !== (reading.activity ?? "")) {
        this.refreshNow();
      }
    }
    this.renderLight();
  }

  private refreshSoon(): void {
    for (const wait of REFRESH_AFTER_MS) setTimeout(() => this.refreshNow(), wait);
  }

  private refreshNow(): void {
    const now = performance.now();
    if (now - this.refreshedAt < LEAST_BETWEEN_REFRESHES_MS) return;
    this.refreshedAt = now;
    document.body.dispatchEvent(new Event("bem:refresh"));
  }

  private renderAll(): void {
    for (const element of this.elements()) this.render(element);
    this.renderLight();
  }

  private renderLight(): void {
    const now = performance.now();
    const live = [...this.newest.values()].some((one) => now - one.at <= STALE_MS);
    const is = live ? "live" : this.connected ? "silent" : "waiting";
    const words = { live: "Live", silent: "No live data", waiting: "Connecting" };
    for (const light of document.querySelectorAll<HTMLElement>("[data-live-light]")) {
      if (light.dataset["is"] === is) continue;
      light.dataset["is"] = is;
      const word = light.querySelector("[data-live-word]");
      if (word) word.textContent = words[is];
    }
  }

  private render(element: HTMLElement): void {
    const reading = this.newest.get(Number(element.dataset["station"]));
    const age = reading ? performance.now() - reading.at : Infinity;
    const fresh = age <= STALE_MS;
    const stale = reading !== undefined && !fresh;
    element.classList.toggle("is-stale", stale);
    for (const target of element.querySelectorAll<HTMLElement>("[data-live]")) {
      const value = reading?.values[target.dataset["live"] ?? ""];
      const shown = value !== undefined && age <= FORGET_MS;
      write(target, shown ? fixed(value, Number(target.dataset["digits"])) : "–");
      target.parentElement?.classList.toggle("is-unknown", !shown);
    }
    const note = element.querySelector<HTMLElement>("[data-stale-note]");
    if (note) {
      note.hidden = !stale;
      if (stale) {
        const since = new Date(performance.timeOrigin + (reading?.at ?? 0));
        write(note, `No live data since ${clockTime(since)}`);
      }
    }
    if (reading && element.dataset["running"] === (reading.experiment ?? "")) {
      this.renderRun(element, reading);
    }
    this.watcher.afterRender?.(element, reading, fresh);
  }

  private renderRun(element: HTMLElement, reading: Arrived): void {
    const into = (name: string, text: string | null): void => {
      const target = element.querySelector<HTMLElement>(`[${name}]`);
      if (target && text !== null) write(target, text);
    };
    const seconds = (us: number | null): string | null => (us === null ? null : duration(us / 1e6));
    const title = reading.step_title ?? "";
    into("data-live-step", reading.step === null ? null : `${reading.step} · ${title}`);
    into("data-live-cycle", reading.cycle === null ? null : `Cycle ${reading.cycle}`);
    into("data-live-cycle-number", reading.cycle === null ? null : String(reading.cycle));
    into("data-live-elapsed", seconds(reading.elapsed_us));
    into("data-live-step-elapsed", seconds(reading.step_elapsed_us));
    if (reading.step !== null) nameStep(element, reading.step, title);
    for (const step of element.querySelectorAll<HTMLElement>("[data-step]")) {
      const current = Number(step.dataset["step"]) === reading.step;
      if (current) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    }
  }
}

function write(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

// Orders about a step name the one that the person saw: what stands in an open dialog stays.
function nameStep(element: HTMLElement, step: number, title: string): void {
  for (const field of element.querySelectorAll<HTMLInputElement>("input[data-step-field]")) {
    if (field.closest("dialog[open]") === null) field.value = String(step);
  }
  for (const words of element.querySelectorAll<HTMLElement>("[data-step-words]")) {
    if (words.closest("dialog[open]") === null) write(words, `${step} · ${title}`);
  }
}
