// Asks the server what it thinks of a text.

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
export async function check(form: HTMLFormElement, text: string, signal: AbortSignal): Promise<Verdict> {
  const body = new URLSearchParams({ text });
  for (const name of ["battery", "station", "csrfmiddlewaretoken"]) {
    const field = form.elements.namedItem(name);
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) {
      body.set(name, field.value);
    }
  }
  const answer = await fetch(form.dataset["check"] ?? "", { method: "POST", body, signal });
  if (!answer.ok) throw new Error(`the check answered ${answer.status}`);
  return (await answer.json()) as Verdict;
}
