// Brings in what was written elsewhere: a profile as YAML, a drive cycle as CSV.

import type { Problem } from "./check";
import { post } from "./post";

interface Read {
  text: string;
  problems: Problem[];
}

const MOST_BYTES = 2_000_000;

export class BringIn {
  readonly #form: HTMLFormElement;
  readonly #panel: HTMLElement;
  readonly #said: HTMLElement | null;

  // insert puts lines at the cursor, replace takes the place of the whole text.
  constructor(
    form: HTMLFormElement,
    panel: HTMLElement,
    insert: (text: string) => void,
    replace: (text: string) => void,
  ) {
    this.#form = form;
    this.#panel = panel;
    this.#said = panel.querySelector("[data-brought]");
    this.#on("[data-csv-insert]", () => void this.#read("csv", this.#pasted(), insert));
    this.#file("input[data-csv-file]", (text) => {
      const area = this.#panel.querySelector<HTMLTextAreaElement>("[data-csv]");
      if (area) area.value = text;
      void this.#read("csv", text, insert);
    });
    this.#file("input[data-yaml-file]", (text) => void this.#read("yaml", text, replace));
  }

  #pasted(): string {
    return this.#panel.querySelector<HTMLTextAreaElement>("[data-csv]")?.value ?? "";
  }

  #on(selector: string, act: () => void): void {
    this.#panel.querySelector(selector)?.addEventListener("click", act);
  }

  #file(selector: string, act: (text: string) => void): void {
    const input = this.#panel.querySelector<HTMLInputElement>(selector);
    input?.addEventListener("change", () => {
      const file = input.files?.[0];
      if (!file) return;
      if (file.size > MOST_BYTES) this.#say([`${file.name} has more than 2 MB: take a shorter one`]);
      else void file.text().then(act);
      // The same file may be chosen again once it is mended.
      input.value = "";
    });
  }

  async #read(kind: string, content: string, use: (text: string) => void): Promise<void> {
    const drives = this.#panel.querySelector<HTMLSelectElement>("[data-csv-drives]")?.value ?? "";
    try {
      const address = this.#panel.dataset["address"] ?? "";
      const read = await post<Read>(this.#form, address, { kind, content, drives });
      if (read.problems.length === 0) use(read.text);
      this.#say(read.problems.map((one) => `Line ${one.line}: ${one.message}`));
    } catch {
      this.#say(["The server did not answer. Try again in a moment."]);
    }
  }

  #say(sentences: string[]): void {
    const rows = sentences.slice(0, 8).map((sentence) => {
      const row = document.createElement("div");
      row.textContent = sentence;
      return row;
    });
    this.#said?.replaceChildren(...rows);
  }
}
