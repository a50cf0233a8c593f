// Columns of a run from the API.

export interface ChannelColumn {
  name: string;
  unit: string;
  title: string;
  mean: (number | null)[];
  min: (number | null)[] | null;
  max: (number | null)[] | null;
}

export interface SeriesColumns {
  start_us: number;
  end_us: number;
  bucket_s: number;
  elapsed_s: number[];
  channels: ChannelColumn[];
}

export async function fetchSeries(
  experiment: number,
  window: { from?: number; to?: number },
  points: number,
  signal: AbortSignal,
): Promise<SeriesColumns> {
  const query = new URLSearchParams({ points: String(points) });
  if (window.from !== undefined) query.set("from", String(Math.max(0, window.from)));
  if (window.to !== undefined) query.set("to", String(Math.max(0, window.to)));
  const answer = await fetch(`/api/v1/experiments/${experiment}/series?${query}`, { signal });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return (await answer.json()) as SeriesColumns;
}
