// The editor of profiles: a plain text area becomes one that marks errors as somebody types.

import { defaultKeymap, history, historyKeymap, indentLess, indentMore } from "@codemirror/commands";
import { indentUnit } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState, type Text } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { BringIn } from "../records/parts/bring_in";
import { type Problem, type Verdict, check } from "../records/parts/check";
import { completion } from "../records/parts/complete";
import { profileLanguage } from "../records/parts/language";

const PAUSE_MS = 250;

const look = EditorView.theme({
  "&": { backgroundColor: "var(--bg-forms)", color: "var(--body-color)", fontSize: "0.875rem" },
  "&.cm-focused": { outline: "2px solid var(--link-color)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--font-monospace, ui-monospace, monospace)", lineHeight: "1.6" },
  ".cm-content, .cm-gutter": { minHeight: "22rem" },
  ".cm-content": { padding: "0.75rem 0", caretColor: "var(--body-color)" },
  ".cm-line": { padding: "0 1rem 0 0.5rem" },
  ".cm-gutters": {
    backgroundColor: "var(--bg-surface-secondary)",
    color: "var(--secondary-color)",
    borderRight: "1px solid var(--border-color)",
  },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "2.25rem" },
  ".cm-activeLine, .cm-activeLineGutter": {
    backgroundColor: "color-mix(in srgb, var(--link-color) 8%, transparent)",
  },
  ".cm-cursor": { borderLeftColor: "var(--body-color)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--link-color) 28%, transparent)",
  },
  ".cm-lintRange-error": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--tone-red)",
    textUnderlineOffset: "3px",
  },
  ".cm-tooltip": {
    maxWidth: "30rem",
    color: "var(--body-color)",
    backgroundColor: "var(--bg-surface)",
    border: "1px solid var(--border-color)",
    borderRadius: "6px",
  },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "inherit", maxHeight: "15rem" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "0.25rem 0.625rem" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    color: "var(--bg-surface)",
    backgroundColor: "var(--link-color)",
  },
  ".cm-completionDetail": { fontStyle: "normal", opacity: "0.85" },
  ".cm-completionMatchedText": { textDecoration: "none" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--tone-red)" },
  ".cm-diagnosticAction": { backgroundColor: "var(--link-color)", color: "var(--bg-surface)" },
});

// The server counts characters as people see them, the editor UTF-16 units.
function offset(text: Text, line: number, column: number): number {
  const found = text.line(Math.min(Math.max(line, 1), text.lines));
  const units = Array.from(found.text).slice(0, column - 1).join("").length;
  return found.from + units;
}

function range(text: Text, problem: Problem): { from: number; to: number } {
  const from = offset(text, problem.line, problem.column);
  return { from, to: Math.max(from, offset(text, problem.line, problem.end_column)) };
}

function explain(problem: Problem): string {
  return problem.expected.length
    ? `${problem.message}\nexpected ${problem.expected.join(", or ")}`
    : problem.message;
}

function element(tag: string, className: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

class ProfileEditor {
  readonly #form: HTMLFormElement;
  readonly #area: HTMLTextAreaElement;
  readonly #view: EditorView;
  #waiting = 0;
  #running: AbortController | null = null;

  constructor(form: HTMLFormElement, area: HTMLTextAreaElement) {
    this.#form = form;
    this.#area = area;
    this.#view = this.#open();
    form.addEventListener("submit", () => this.#hand());
    for (const select of form.querySelectorAll("select")) {
      select.addEventListener("change", () => void this.#judge());
    }
    for (const button of form.querySelectorAll<HTMLElement>("[data-example]")) {
      button.addEventListener("click", () => this.#insert(button.dataset["example"] ?? ""));
    }
    const panel = form.querySelector<HTMLElement>("[data-bring-in]");
    if (panel) {
      new BringIn(form, panel, (text) => this.#insert(text.trimEnd()), (text) => this.#replace(text));
    }
    void this.#judge();
  }

  #replace(text: string): void {
    const { doc } = this.#view.state;
    this.#view.dispatch({ changes: { from: 0, to: doc.length, insert: text } });
    this.#view.focus();
  }

  #open(): EditorView {
    const view = new EditorView({
      state: EditorState.create({
        doc: this.#area.value,
        extensions: [
          EditorView.cspNonce.of(this.#form.dataset["nonce"] ?? ""),
          lineNumbers(),
          lintGutter(),
          history(),
          drawSelection(),
          highlightActiveLine(),
          highlightActiveLineGutter(),
          indentUnit.of("    "),
          EditorState.tabSize.of(4),
          profileLanguage,
          completion(this.#form),
          look,
          // Tab indents; Escape and then Tab leaves the editor, as CodeMirror has it.
          keymap.of([
            ...defaultKeymap,
            ...historyKeymap,
            { key: "Tab", run: indentMore, shift: indentLess },
          ]),
          EditorView.contentAttributes.of({
            "aria-label": "Steps of the profile. Escape, then Tab, leaves the editor.",
            spellcheck: "false",
            autocapitalize: "off",
          }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) this.#soon();
          }),
        ],
      }),
    });
    this.#area.hidden = true;
    this.#area.after(view.dom);
    document.querySelector("label[for=id_text]")?.addEventListener("click", () => view.focus());
    return view;
  }

  #hand(): void {
    this.#area.value = this.#view.state.doc.toString();
  }

  #insert(example: string): void {
    const { state } = this.#view;
    const line = state.doc.lineAt(state.selection.main.head);
    const lead = /^\s*/.exec(line.text)?.[0] ?? "";
    const isEmpty = line.text.trim() === "";
    const lines = example.split("\n").map((one) => lead + one).join("\n");
    const insert = isEmpty ? lines : `\n${lines}`;
    const from = isEmpty ? line.from : line.to;
    this.#view.dispatch({
      changes: { from, to: line.to, insert },
      selection: { anchor: from + insert.length },
      scrollIntoView: true,
    });
    this.#view.focus();
  }

  #soon(): void {
    window.clearTimeout(this.#waiting);
    this.#waiting = window.setTimeout(() => void this.#judge(), PAUSE_MS);
  }

  async #judge(): Promise<void> {
    this.#running?.abort();
    const running = (this.#running = new AbortController());
    const { doc } = this.#view.state;
    try {
      const verdict = await check(this.#form, doc.toString(), running.signal);
      // An answer about a text that has changed since would mark the wrong places.
      if (doc === this.#view.state.doc && !running.signal.aborted) this.#show(verdict);
    } catch {
      if (!running.signal.aborted) this.#verdict("verdict-unknown");
    }
  }

  #show(verdict: Verdict): void {
    const { doc } = this.#view.state;
    const isEmpty = doc.toString().trim() === "";
    const problems = isEmpty ? [] : verdict.problems;
    const marks = problems.map((problem) => this.#mark(doc, problem));
    this.#view.dispatch(setDiagnostics(this.#view.state, marks));
    this.#list(problems);
    const outline = this.#form.querySelector("[data-outline]");
    if (outline) outline.innerHTML = verdict.outline;
    if (isEmpty) this.#verdict(null);
    else this.#verdict(problems.length ? "verdict-bad" : "verdict-good", problems.length);
  }

  #mark(doc: Text, problem: Problem): Diagnostic {
    const { from, to } = range(doc, problem);
    const mark: Diagnostic = { from, to, severity: "error", message: explain(problem) };
    if (problem.suggestion !== null) {
      mark.actions = [{ name: problem.suggestion, apply: () => this.#mend(problem) }];
    }
    return mark;
  }

  #mend(problem: Problem): void {
    const { from, to } = range(this.#view.state.doc, problem);
    this.#view.dispatch({ changes: { from, to, insert: problem.suggestion ?? "" } });
    this.#view.focus();
  }

  #go(problem: Problem): void {
    const { from } = range(this.#view.state.doc, problem);
    this.#view.dispatch({ selection: { anchor: from }, scrollIntoView: true });
    this.#view.focus();
  }

  #list(problems: Problem[]): void {
    const list = this.#form.querySelector("[data-problems]");
    list?.replaceChildren(...problems.map((problem) => this.#row(problem)));
  }

  #row(problem: Problem): HTMLElement {
    const row = element("li", "problem", "");
    row.tabIndex = 0;
    const text = element("span", "", "");
    text.append(element("strong", "", problem.message));
    if (problem.expected.length) {
      text.append(element("span", "problem-more", `expected ${problem.expected.join(", or ")}`));
    }
    if (problem.suggestion !== null) {
      const mend = element("button", "problem-mend problem-more", `use “${problem.suggestion}”`);
      mend.setAttribute("type", "button");
      mend.addEventListener("click", (event) => {
        event.stopPropagation();
        this.#mend(problem);
      });
      text.append(mend);
    }
    row.append(element("span", "problem-place", `${problem.line}:${problem.column}`), text);
    row.addEventListener("click", () => this.#go(problem));
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === row) this.#go(problem);
    });
    return row;
  }

  #verdict(template: string | null, count = 0): void {
    const place = this.#form.querySelector("[data-verdict]");
    const source = template === null ? null : document.getElementById(template);
    const shown = source instanceof HTMLTemplateElement ? source.content.cloneNode(true) : "";
    if (shown instanceof DocumentFragment) {
      const words = shown.querySelector("[data-count]");
      if (words) words.textContent = count === 1 ? "1 problem" : `${count} problems`;
    }
    place?.replaceChildren(shown);
  }
}

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-profile-editor]")) {
  const area = form.querySelector<HTMLTextAreaElement>("textarea[name=text]");
  if (area) new ProfileEditor(form, area);
}
