// On every page: htmx, the theme button, dialogs.

import "htmx.org";
import { clockTime, dayAndTime } from "../watch/words";

const CHOICES = ["auto", "light", "dark"] as const;
const WORDS = { auto: "system", light: "light", dark: "dark" };

function labelThemeButtons(): void {
  const chosen = document.documentElement.dataset["themeChoice"] ?? "auto";
  const word = WORDS[chosen as keyof typeof WORDS] ?? chosen;
  for (const button of document.querySelectorAll<HTMLElement>("[data-theme-toggle]")) {
    button.title = `Colour theme: ${word}`;
    button.setAttribute("aria-label", `Colour theme: ${word}. Change`);
  }
}

function nextTheme(): void {
  const chosen = document.documentElement.dataset["themeChoice"] ?? "auto";
  const index = CHOICES.indexOf(chosen as (typeof CHOICES)[number]);
  localStorage.setItem("bem-theme", CHOICES[(index + 1) % CHOICES.length] ?? "auto");
  dispatchEvent(new Event("bem:theme"));
  labelThemeButtons();
}

// Buttons name the dialog they open (data-opens="id"); data-closes closes the one they are in.
document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest("[data-theme-toggle]")) nextTheme();
  const opener = target?.closest<HTMLElement>("[data-opens]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset["opens"] ?? "");
    if (dialog instanceof HTMLDialogElement) {
      // A link leads to a page that asks the same, for whoever has no script.
      event.preventDefault();
      dialog.showModal();
    }
  }
  if (target?.closest("[data-closes]")) target.closest("dialog")?.close();
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  if (form.method !== "post" || event.defaultPrevented || form.matches("[hx-post]")) return;
  if (form.dataset["sent"] !== undefined) {
    event.preventDefault();
    return;
  }
  form.dataset["sent"] = "";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-sent]")) {
    delete form.dataset["sent"];
  }
});

labelThemeButtons();

// Instants come in UTC; people read their own time.
function localTimes(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLTimeElement>("time[datetime]")) {
    const when = new Date(element.dateTime);
    if (Number.isNaN(when.getTime())) continue;
    element.textContent = element.dataset["form"] === "time" ? clockTime(when) : dayAndTime(when);
  }
}

// What a page shows again by itself must not take away what a person is doing.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  const target = event.target as HTMLElement;
  if (target.closest("[data-live-page]") && document.querySelector("dialog[open]")) {
    event.preventDefault();
  }
});
const scrolled = new Map<string, number>();
document.body.addEventListener("htmx:beforeSwap", (event) => {
  // Nor may an answer that was under way when the dialog was opened.
  const part = event.target as HTMLElement;
  if (part.closest("[data-live-page]") && part.querySelector("dialog[open]")) {
    (event as CustomEvent<{ shouldSwap: boolean }>).detail.shouldSwap = false;
    return;
  }
  for (const list of (event.target as HTMLElement).querySelectorAll(".listing[id]")) {
    scrolled.set(list.id, list.scrollTop);
  }
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  localTimes(event.target as HTMLElement);
  for (const [id, top] of scrolled) document.getElementById(id)?.scrollTo({ top });
});
localTimes(document);
