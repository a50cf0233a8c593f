// A chart of voltage, current and one further channel. Drag zooms; the line above reads the cursor.

import uPlot from "uplot";
import type { Column, Columns } from "./columns";
import { clockTime, duration, fixed } from "./words";

export interface Further {
  name: string;
  title: string;
  unit: string;
  digits: number;
}

export interface Window {
  from: number;
  to: number;
}

interface Curve {
  name: string;
  title: string;
  unit: string;
  digits: number;
  scale: string;
  colour: string;
  leastSpan: number;
}

const DAY = 86_400;
// Steps of the time axis, in s.
const TIME_STEPS = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800],
  ...[3600, 7200, 10_800, 21_600, 43_200].concat([1, 2, 5, 7, 10, 20, 50, 100].map((n) => n * DAY)),
];
const HEIGHT = { wide: 380, narrow: 300 };
const NARROW = 560;

export class Plot {
  private chart: uPlot | null = null;
  private curves: Curve[] = [];
  private columns: Columns | null = null;
  private window: Window = { from: 0, to: 1 };
  private further: Further | null = null;
  private expected: Columns | null = null;
  private readonly readout: HTMLElement;

  constructor(
    private readonly host: HTMLElement,
    private readonly clock: boolean,
    private readonly onZoom: (window: Window) => void,
  ) {
    this.readout = document.createElement("p");
    this.readout.className = "plot-readout figures";
    host.before(this.readout);
    new ResizeObserver(() => this.resize()).observe(host);
    // The canvas does not follow the colours of the page by itself.
    new MutationObserver(() => this.rebuild()).observe(document.documentElement, {
      attributeFilter: ["data-bs-theme"],
    });
  }

  pick(further: Further | null): void {
    this.further = further;
    this.rebuild();
  }

  // What was foretold, drawn dashed behind what came; null takes it away.
  expect(expected: Columns | null): void {
    this.expected = expected;
    this.rebuild();
  }

  show(columns: Columns, window: Window): void {
    this.columns = columns;
    this.window = window;
    if (this.chart === null) this.rebuild();
    else this.chart.setData(this.data(), true);
    this.read();
  }

  private rebuild(): void {
    this.chart?.destroy();
    this.chart = null;
    if (this.columns === null) return;
    this.curves = this.wanted();
    this.chart = new uPlot(this.options(), this.data(), this.host);
    this.read();
  }

  private wanted(): Curve[] {
    const curves: Curve[] = [
      {
        name: "voltage",
        title: "Voltage",
        unit: "V",
        digits: 4,
        scale: "V",
        colour: colour("--plot-voltage"),
        leastSpan: 0.02,
      },
      {
        name: "current",
        title: "Current",
        unit: "A",
        digits: 4,
        scale: "A",
        colour: colour("--plot-current"),
        leastSpan: 0.1,
      },
    ];
    if (this.further) {
      const { name, title, unit, digits } = this.further;
      // A further voltage or current would squeeze the curve beside it, so it gets its own axis.
      const at = { scale: `further ${unit}`, colour: colour("--plot-other"), leastSpan: 0.1 };
      curves.push({ name, title, unit, digits, ...at });
    }
    return curves;
  }

  private data(): uPlot.AlignedData {
    const columns = this.columns;
    if (columns === null) return [[]];
    const rows: (number | null)[][] = [];
    for (const curve of this.curves) {
      const track = columns.track(curve.name);
      rows.push(track.mean, track.max, track.min);
    }
    return [columns.x, ...rows] as uPlot.AlignedData;
  }

  private options(): uPlot.Options {
    const grid = { stroke: colour("--plot-grid"), width: 1 };
    const text = colour("--secondary-color");
    const font = "12px 'Inter Variable', system-ui, sans-serif";
    const axis = { stroke: text, font, labelFont: font, grid, ticks: { ...grid, size: 4 } };
    const narrow = this.host.clientWidth < NARROW;
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    for (const curve of this.curves) {
      const at = series.length;
      series.push({
        label: curve.title,
        scale: curve.scale,
        stroke: curve.colour,
        width: 1.75,
        points: { show: false },
      });
      const edge = { scale: curve.scale, stroke: "transparent", width: 0, points: { show: false } };
      series.push({ ...edge }, { ...edge });
      bands.push({ series: [at + 1, at + 2], fill: withAlpha(curve.colour, 0.18) });
    }
    const scales: uPlot.Scales = {
      x: { time: false, range: () => [this.window.from, this.window.to] },
    };
    const axes: uPlot.Axis[] = [
      {
        ...axis,
        space: narrow ? 70 : 90,
        size: 34,
        incrs: TIME_STEPS,
        values: (_, at) => this.times(at),
      },
    ];
    this.curves.forEach((curve, index) => {
      scales[curve.scale] = {
        range: (_, low, high) => roomy(...this.withExpected(curve.name, low, high), curve.leastSpan),
      };
      axes.push({
        ...axis,
        scale: curve.scale,
        side: index === 0 ? 3 : 1,
        size: narrow ? 44 : 54,
        label: `${curve.title} / ${curve.unit}`,
        labelSize: 18,
        stroke: curve.colour,
        grid: index === 0 ? grid : { show: false },
        values: (_, at) => ticks(at),
      });
    });
    return {
      width: Math.max(this.host.clientWidth, 100),
      height: narrow ? HEIGHT.narrow : HEIGHT.wide,
      legend: { show: false },
      padding: [10, narrow ? 2 : 8, 0, 0],
      cursor: {
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        y: false,
      },
      series,
      bands,
      scales,
      axes,
      hooks: {
        drawAxes: [(chart) => this.drawExpected(chart)],
        setCursor: [() => this.read()],
        setSelect: [(chart) => this.zoom(chart)],
      },
    };
  }

  private zoom(chart: uPlot): void {
    const { left, width } = chart.select;
    if (width < 8) return;
    const from = chart.posToVal(left, "x");
    const to = chart.posToVal(left + width, "x");
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.onZoom({ from, to });
  }

  private withExpected(name: string, low: number | null, high: number | null): [number | null, number | null] {
    const values = this.expected?.known(name)?.mean;
    if (this.expected === null || values === undefined) return [low, high];
    const bounds = boundsIn(this.expected.x, values, this.window);
    if (bounds === null) return [low, high];
    return [Math.min(low ?? bounds[0], bounds[0]), Math.max(high ?? bounds[1], bounds[1])];
  }

  private drawExpected(chart: uPlot): void {
    if (this.expected === null) return;
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const curve of this.curves) {
      const values = this.expected.known(curve.name)?.mean;
      if (values === undefined) continue;
      ctx.strokeStyle = withAlpha(curve.colour, 0.75);
      ctx.beginPath();
      values.forEach((value, index) => {
        if (value === null) return;
        const x = chart.valToPos(this.expected?.x[index] ?? 0, "x", true);
        ctx.lineTo(x, chart.valToPos(value, curve.scale, true));
      });
      ctx.stroke();
    }
    ctx.restore();
  }

  // Reads the values at the cursor, or the newest ones.
  private read(): void {
    const columns = this.columns;
    if (columns === null || columns.x.length === 0) {
      this.readout.replaceChildren();
      return;
    }
    const under = this.chart?.cursor.idx ?? null;
    const index = under ?? columns.x.length - 1;
    const parts = [part("", this.time(columns.x[index] ?? 0), "")];
    for (const curve of this.curves) {
      const value = columns.track(curve.name).mean[index] ?? null;
      const text = value === null ? "–" : `${fixed(value, curve.digits)} ${curve.unit}`;
      parts.push(part(`swatch swatch-${curve.scale.split(" ")[0] ?? ""}`, text, curve.title));
    }
    this.readout.replaceChildren(...parts);
    this.readout.classList.toggle("at-cursor", under !== null);
  }

  private time(x: number): string {
    return this.clock ? clockTime(new Date(x * 1000)) : duration(x);
  }

  private times(at: number[]): string[] {
    const seconds = at.length > 1 && (at[1] ?? 0) - (at[0] ?? 0) < 1;
    return at.map((x) => (seconds ? `${fixed(x, 2)} s` : this.time(x)));
  }

  private resize(): void {
    const width = this.host.clientWidth;
    if (this.chart === null || width === 0) return;
    const narrow = width < NARROW;
    if (narrow !== this.chart.width < NARROW) this.rebuild();
    else this.chart.setSize({ width, height: this.chart.height });
  }
}

function part(swatch: string, text: string, title: string): HTMLElement {
  const element = document.createElement("span");
  if (swatch !== "") {
    const mark = document.createElement("i");
    mark.className = swatch;
    element.append(mark);
  }
  if (title !== "") {
    const label = document.createElement("span");
    label.className = "readout-title";
    label.textContent = title;
    element.append(label);
  }
  const value = document.createElement("b");
  value.textContent = text;
  element.append(value);
  return element;
}

function roomy(low: number | null, high: number | null, leastSpan: number): [number, number] {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) {
    return [0, 1];
  }
  const span = Math.max(high - low, leastSpan, Math.abs(high) * 1e-4);
  const middle = (low + high) / 2;
  return [middle - span * 0.56, middle + span * 0.56];
}

// The least and the greatest of what a window shows, and of the points just outside of it.
function boundsIn(x: number[], values: Column, window: Window): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (let index = 0; index < x.length; index += 1) {
    const before = x[index + 1] ?? x[index] ?? 0;
    const after = x[index - 1] ?? x[index] ?? 0;
    const value = values[index] ?? null;
    if (value === null || before < window.from || after > window.to) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : null;
}

function ticks(at: number[]): string[] {
  const step = Math.abs((at[1] ?? 1) - (at[0] ?? 0)) || 1;
  // As many decimals as the step itself has, so that no label is rounded.
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) {
    digits += 1;
  }
  return at.map((value) => fixed(value, digits));
}

// Colours that depend on the theme are only known where they are used.
function colour(name: string): string {
  const probe = document.createElement("i");
  probe.className = "visually-hidden";
  document.body.append(probe);
  probe.style.color = `var(${name})`;
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

function withAlpha(rgb: string, alpha: number): string {
  return rgb.replace(/^rgba?\(([^)]*)\)$/, (_, parts: string) => {
    const [red, green, blue] = parts.split(/[\s,/]+/);
    return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
  });
}
