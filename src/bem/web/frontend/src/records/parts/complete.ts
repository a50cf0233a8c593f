// Completion as the server proposes it: it alone knows the language.

import {
  type Completion,
  type CompletionContext,
  type CompletionResult,
  autocompletion,
  startCompletion,
} from "@codemirror/autocomplete";
import type { Extension } from "@codemirror/state";
import type { EditorView } from "@codemirror/view";
import { post } from "./post";

interface Proposal {
  text: string;
  label: string;
  detail: string;
  // Column, from 1, from which it takes the place of what is typed.
  start: number;
}

const PAUSE_MS = 120;

function option(proposal: Proposal): Completion {
  return {
    label: proposal.label.trim(),
    detail: proposal.detail,
    apply: (view: EditorView, _: Completion, from: number, to: number): void => {
      const anchor = from + proposal.text.length;
      view.dispatch({
        changes: { from, to, insert: proposal.text },
        selection: { anchor },
        userEvent: "input.complete",
      });
      // "Charge at " wants something behind it.
      if (proposal.text.endsWith(" ")) startCompletion(view);
    },
  };
}

export function completion(form: HTMLFormElement): Extension {
  const source = async (context: CompletionContext): Promise<CompletionResult | null> => {
    const running = new AbortController();
    context.addEventListener("abort", () => running.abort());
    const line = context.state.doc.lineAt(context.pos);
    // The server counts characters as people see them, the editor UTF-16 units.
    const characters = Array.from(line.text.slice(0, context.pos - line.from));
    const found = await post<{ proposals: Proposal[] }>(
      form,
      form.dataset["complete"] ?? "",
      {
        text: context.state.doc.toString(),
        line: String(line.number),
        column: String(characters.length + 1),
      },
      running.signal,
    ).catch(() => null);
    const start = found?.proposals[0]?.start;
    if (found === null || start === undefined || context.aborted) return null;
    const options = found.proposals.filter((one) => one.start === start).map(option);
    const from = line.from + characters.slice(0, start - 1).join("").length;
    return { from, options, filter: false };
  };
  return autocompletion({
    override: [source],
    activateOnTypingDelay: PAUSE_MS,
    icons: false,
    maxRenderedOptions: 40,
  });
}
