// Light highlighting of the profile language. The server alone decides what is right.

import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { tags } from "@lezer/highlight";

const ACTIONS =
  /^(?:rest|charge|discharge|hold|repeat|profile|parameter|limit|pause|drive|pulse|wait|cc|cv|cp)\b/i;
const WORDS =
  /^(?:at|for|until|or|and|then|next|go to|stop|fail|record|every|times?|above|below|falls|by|most|forever|voltage|current|power|capacity|energy|temperature|cell|flow|time)\b/i;
// 4.2 V, 10 minutes, C/20, 0.5C, 1C
const QUANTITY = /^(?:C\/\d+(?:\.\d+)?|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?:\s*(?:[mk]?(?:V|Ah|Wh|A|W|ohm)|°?degC|°C|C|%|m?s|min(?:ute)?s?|h(?:ours?)?|seconds?|days?))?)(?![\w/])/i;

const language = StreamLanguage.define<null>({
  name: "profile",
  startState: () => null,
  token(stream) {
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/)) return "comment";
    if (stream.match(/^"[^"]*"?/)) return "string";
    if (stream.match(/^\{\s*\w*\s*\}?/)) return "variableName";
    if (stream.match(QUANTITY)) return "number";
    if (stream.match(ACTIONS)) return "keyword";
    if (stream.match(WORDS)) return "operator";
    if (!stream.match(/^\w+/)) stream.next();
    return null;
  },
  languageData: { commentTokens: { line: "#" } },
});

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--link-color)", fontWeight: "600" },
  { tag: tags.number, color: "var(--tone-orange)" },
  { tag: tags.operator, color: "var(--secondary-color)" },
  { tag: tags.string, color: "var(--tone-green)" },
  { tag: tags.variableName, color: "var(--plot-other)" },
  { tag: tags.comment, color: "var(--tone-muted)", fontStyle: "italic" },
]);

export const profileLanguage: Extension = [language, syntaxHighlighting(colours)];
