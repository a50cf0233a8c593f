// The live stream of some stations: opens, closes while the tab is hidden, and comes back by itself.

export interface Reading {
  station: number;
  state: string;
  values: Record<string, number>;
  measured_at: string | null;
  age: number;
  output_on: boolean | null;
  experiment: string | null;
  elapsed_us: number | null;
  step: number | null;
  step_title: string | null;
  step_elapsed_us: number | null;
  cycle: number | null;
  activity: string | null;
}

// A reading with the instant (performance.now(), ms) at which the server got it.
export interface Arrived extends Reading {
  at: number;
}

export interface Listener {
  onReading(reading: Arrived): void;
  onChanged(stations: number[]): void;
  onConnection(connected: boolean): void;
}

const RETRY_MS = [1000, 2000, 5000, 10000];

export class Feed {
  private source: EventSource | null = null;
  private retry = 0;
  private timer: number | undefined;
  private readonly stations: number[];
  private readonly listener: Listener;

  constructor(stations: number[], listener: Listener) {
    this.stations = stations;
    this.listener = listener;
    document.addEventListener("visibilitychange", this.visibility);
    addEventListener("pagehide", this.close);
    addEventListener("pageshow", this.visibility);
    this.visibility();
  }

  stop(): void {
    document.removeEventListener("visibilitychange", this.visibility);
    removeEventListener("pagehide", this.close);
    removeEventListener("pageshow", this.visibility);
    this.close();
  }

  // Browsers allow six connections to a server: a hidden tab must not keep one.
  private readonly visibility = (): void => {
    if (document.hidden) this.close();
    else this.open();
  };

  private readonly close = (): void => {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  };

  private open(): void {
    if (this.source !== null || this.stations.length === 0) return;
    const source = new EventSource(`/live/stream?stations=${this.stations.join(",")}`);
    this.source = source;
    source.addEventListener("open", () => {
      this.retry = 0;
      this.listener.onConnection(true);
    });
    source.addEventListener("live", (event) => {
      const now = performance.now();
      const data = JSON.parse(event.data as string) as { stations: Reading[] };
      for (const reading of data.stations) {
        this.listener.onReading({ ...reading, at: now - reading.age * 1000 });
      }
    });
    source.addEventListener("changed", (event) => {
      const data = JSON.parse(event.data as string) as { stations: number[] };
      this.listener.onChanged(data.stations);
    });
    source.addEventListener("error", () => {
      this.listener.onConnection(false);
      // The browser tries again by itself, but not after an answer such as 401 or 503.
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
      this.close();
      const wait = RETRY_MS[Math.min(this.retry, RETRY_MS.length - 1)] ?? 10000;
      this.retry += 1;
      this.timer = window.setTimeout(() => this.visibility(), wait);
    });
  }
}
