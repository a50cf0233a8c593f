// Asks the server what it thinks of a text.

import { post } from "./post";

export interface Problem {
  line: number;
  column: number;
  end_column: number;
  message: string;
  expected: string[];
  suggestion: string | null;
}

export interface Verdict {
  problems: Problem[];
  outline: string;
}

// Throws when the server does not answer as it should, or when the signal ends the request.
export function check(form: HTMLFormElement, text: string, signal: AbortSignal): Promise<Verdict> {
  const fields: Record<string, string> = { text };
  for (const name of ["battery", "station"]) {
    const field = form.elements.namedItem(name);
    if (field instanceof HTMLSelectElement) fields[name] = field.value;
  }
  return post<Verdict>(form, form.dataset["check"] ?? "", fields, signal);
}
