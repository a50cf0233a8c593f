// Asks the server in the name of a form.

// Throws when the server does not answer as it should, or when the signal ends the request.
export async function post<Answer>(
  form: HTMLFormElement,
  address: string,
  fields: Record<string, string>,
  signal?: AbortSignal,
): Promise<Answer> {
  const body = new URLSearchParams(fields);
  const token = form.elements.namedItem("csrfmiddlewaretoken");
  if (token instanceof HTMLInputElement) body.set("csrfmiddlewaretoken", token.value);
  const answer = await fetch(address, { method: "POST", body, signal: signal ?? null });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return (await answer.json()) as Answer;
}
