// The points of a chart: x, and for each channel the value and, where points are roll-ups, the
// least and the greatest in each.

import type { SeriesColumns } from "./series";

export type Column = (number | null)[];

export interface Track {
  mean: Column;
  min: Column;
  max: Column;
}

export class Columns {
  x: number[] = [];
  private tracks = new Map<string, Track>();

  static of(series: SeriesColumns): Columns {
    const columns = new Columns();
    columns.x = [...series.elapsed_s];
    for (const channel of series.channels) {
      columns.tracks.set(channel.name, {
        mean: [...channel.mean],
        min: [...(channel.min ?? channel.mean)],
        max: [...(channel.max ?? channel.mean)],
      });
    }
    return columns;
  }

  // Curves without roll-ups, all over the same x.
  static plain(x: number[], curves: Record<string, Column>): Columns {
    const columns = new Columns();
    columns.x = x;
    for (const [name, values] of Object.entries(curves)) {
      columns.tracks.set(name, { mean: values, min: values, max: values });
    }
    return columns;
  }

  // A track that is there, unlike track() which makes one.
  known(name: string): Track | undefined {
    return this.tracks.get(name);
  }

  get last(): number | undefined {
    return this.x.at(-1);
  }

  track(name: string): Track {
    let track = this.tracks.get(name);
    if (track === undefined) {
      const empty = (): Column => new Array<number | null>(this.x.length).fill(null);
      track = { mean: empty(), min: empty(), max: empty() };
      this.tracks.set(name, track);
    }
    return track;
  }

  // Adds a point to the right; an older one is left out.
  append(x: number, values: Record<string, number | undefined>): boolean {
    if (this.last !== undefined && x <= this.last) return false;
    for (const name of Object.keys(values)) this.track(name);
    this.x.push(x);
    for (const [name, track] of this.tracks) {
      const value = values[name] ?? null;
      for (const column of [track.mean, track.min, track.max]) column.push(value);
    }
    return true;
  }

  // Interrupts the curves between the last point and x, where nothing is known.
  interrupt(x: number): void {
    const last = this.last;
    if (last === undefined || x <= last) return;
    this.append((last + x) / 2, {});
  }

  // The usual distance between the last points.
  get spacing(): number {
    const count = Math.min(this.x.length - 1, 10);
    if (count < 1) return 0;
    return ((this.x.at(-1) ?? 0) - (this.x.at(-1 - count) ?? 0)) / count;
  }

  // Forgets what lies left of x.
  trim(x: number): void {
    let count = 0;
    while (count < this.x.length && (this.x[count] ?? 0) < x) count += 1;
    if (count < 200) return; // rarely, in larger pieces
    this.x.splice(0, count);
    for (const track of this.tracks.values()) {
      for (const column of [track.mean, track.min, track.max]) column.splice(0, count);
    }
  }
}
