// Fills in what follows from what was typed, until somebody types it differently.

const FIELDS = ["cell_voltage_min", "cell_voltage_max", "voltage_min", "voltage_max"] as const;
type Field = (typeof FIELDS)[number];

function input(form: HTMLFormElement, name: string): HTMLInputElement | HTMLSelectElement | null {
  const found = form.elements.namedItem(name);
  return found instanceof HTMLInputElement || found instanceof HTMLSelectElement ? found : null;
}

function numberIn(form: HTMLFormElement, name: string): number | null {
  const typed = input(form, name)?.value ?? "";
  const value = Number(typed);
  return typed !== "" && Number.isFinite(value) ? value : null;
}

class Defaults {
  readonly #form: HTMLFormElement;
  readonly #usual: Record<string, [number, number]>;
  // What stands in a field because it was put there; a field that holds anything else is a person's.
  readonly #filled = new Map<Field, string>();

  constructor(form: HTMLFormElement) {
    this.#form = form;
    this.#usual = JSON.parse(form.dataset["cellVoltages"] ?? "{}") as Record<string, [number, number]>;
    form.addEventListener("input", (event) => this.#follow((event.target as HTMLInputElement).name));
    this.#follow("chemistry");
  }

  #follow(changed: string): void {
    if (changed === "chemistry" || changed === "electrolyte_type") {
      const kind = input(this.#form, "chemistry") ?? input(this.#form, "electrolyte_type");
      const usual = this.#usual[kind?.value ?? ""];
      if (usual) {
        this.#fill("cell_voltage_min", usual[0]);
        this.#fill("cell_voltage_max", usual[1]);
      }
    }
    const cells = numberIn(this.#form, "cells");
    for (const side of ["min", "max"] as const) {
      const cell = numberIn(this.#form, `cell_voltage_${side}`);
      if (cells !== null && cell !== null && changed !== `voltage_${side}`) {
        this.#fill(`voltage_${side}`, cells * cell);
      }
    }
  }

  #fill(name: Field, value: number): void {
    const field = input(this.#form, name);
    if (!field || field.disabled) return;
    if (field.value !== "" && field.value !== this.#filled.get(name)) return;
    field.value = String(Number(value.toPrecision(9)));
    this.#filled.set(name, field.value);
  }
}

function start(within: ParentNode): void {
  for (const form of within.querySelectorAll<HTMLFormElement>("form[data-battery-form]")) {
    new Defaults(form);
  }
}

start(document);
// The form comes anew when the technology changes.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target instanceof Element) start(event.target);
});
