// Narrows the lists of choices as somebody types, proposes a name, and draws what is expected.

import type { Expected } from "../watch/expected";

const searched = new Map<string, string>();
const scrolled = new Map<string, number>();
let proposed = "";

function narrow(list: HTMLElement, typed: string): void {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of list.children) {
    const text = (row.textContent ?? "").toLowerCase();
    const isChosen = row.querySelector("input:checked") !== null;
    (row as HTMLElement).hidden = !isChosen && !words.every((word) => text.includes(word));
  }
}

function searchField(target: EventTarget | null): HTMLInputElement | null {
  return target instanceof HTMLInputElement && target.dataset["narrows"] ? target : null;
}

function applySearch(field: HTMLInputElement): void {
  const id = field.dataset["narrows"] ?? "";
  searched.set(id, field.value);
  const list = document.getElementById(id);
  if (list) narrow(list, field.value);
}

function proposeName(): void {
  const name = document.querySelector<HTMLInputElement>("#id_name");
  const from = document.querySelector<HTMLElement>("[data-suggested-name]");
  const next = from?.dataset["suggestedName"] ?? "";
  if (!name || !next || (name.value !== "" && name.value !== proposed)) return;
  name.value = proposed = next;
}

document.addEventListener("input", (event) => {
  const field = searchField(event.target);
  if (field) applySearch(field);
});
// Leaving a search field is no choice.
document.addEventListener("change", (event) => {
  if (searchField(event.target)) event.stopPropagation();
}, true);
document.addEventListener("keydown", (event) => {
  // Enter in a search field must not queue an experiment.
  if (event.key === "Enter" && searchField(event.target)) event.preventDefault();
});

// The chart comes with the first curve there is to draw.
async function drawExpected(): Promise<void> {
  const card = document.querySelector<HTMLElement>("[data-expected-plot]:not([data-drawn])");
  if (card === null) return;
  card.dataset["drawn"] = "";
  const { ExpectedPlot } = await import("../watch/expected");
  new ExpectedPlot(card, JSON.parse(card.dataset["expected"] ?? "{}") as Expected);
}

document.addEventListener("htmx:beforeSwap", () => {
  for (const list of document.querySelectorAll<HTMLElement>(".choices")) {
    scrolled.set(list.id, list.scrollTop);
  }
});
document.addEventListener("htmx:afterSwap", () => {
  for (const field of document.querySelectorAll<HTMLInputElement>("[data-narrows]")) {
    field.value = searched.get(field.dataset["narrows"] ?? "") ?? "";
    if (field.value) applySearch(field);
  }
  for (const list of document.querySelectorAll<HTMLElement>(".choices")) {
    list.scrollTop = scrolled.get(list.id) ?? 0;
  }
  proposeName();
  void drawExpected();
});
proposeName();
void drawExpected();
