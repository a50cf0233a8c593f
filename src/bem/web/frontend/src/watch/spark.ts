// The small curves on the Monitor: voltage and current of the last five minutes.

import type { Arrived } from "./feed";

const WINDOW_MS = 300_000;
const SPACING_MS = 1500;
const WIDTH = 300;
const HEIGHT = 44;
const PAD = 3;

interface Point {
  at: number;
  voltage: number | null;
  current: number | null;
}

export class Sparks {
  private readonly points = new Map<number, Point[]>();

  // Takes the history that came with the page: [age in s, V, A] each.
  seed(element: HTMLElement): void {
    const station = Number(element.dataset["station"]);
    const text = element.dataset["points"];
    if (!text || this.points.has(station)) return;
    const now = performance.now();
    const rows = JSON.parse(text) as [number, number | null, number | null][];
    this.points.set(
      station,
      rows.map(([age, voltage, current]) => ({ at: now - age * 1000, voltage, current })),
    );
  }

  add(reading: Arrived): void {
    const points = this.points.get(reading.station) ?? [];
    this.points.set(reading.station, points);
    const last = points.at(-1);
    if (last && reading.at - last.at < SPACING_MS) return;
    points.push({
      at: reading.at,
      voltage: reading.values["voltage"] ?? null,
      current: reading.values["current"] ?? null,
    });
    while (points[0] && reading.at - points[0].at > WINDOW_MS) points.shift();
  }

  draw(element: HTMLElement): void {
    const points = this.points.get(Number(element.dataset["station"])) ?? [];
    line(element, ".spark-voltage", points, (point) => point.voltage, 0.02);
    line(element, ".spark-current", points, (point) => point.current, 0.2);
  }
}

function line(
  element: HTMLElement,
  selector: string,
  points: Point[],
  pick: (point: Point) => number | null,
  leastSpan: number,
): void {
  const target = element.querySelector(selector);
  if (!target) return;
  const now = performance.now();
  const known = points.filter((point) => pick(point) !== null && now - point.at <= WINDOW_MS);
  const values = known.map((point) => pick(point) as number);
  const low = Math.min(...values);
  const span = Math.max(Math.max(...values) - low, leastSpan);
  const middle = (Math.max(...values) + low) / 2;
  const text = known
    .map((point, index) => {
      const x = WIDTH - ((now - point.at) / WINDOW_MS) * WIDTH;
      const y = HEIGHT / 2 - (((values[index] ?? 0) - middle) / span) * (HEIGHT - 2 * PAD);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
  if (target.getAttribute("points") !== text) target.setAttribute("points", text);
}
