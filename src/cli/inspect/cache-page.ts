import { formatPercent } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import { element, escapeMarkup } from "../../util/svg/element.ts";
import type { TokenSpans } from "../../models/tokenizer.ts";
import { type CacheFacts, cacheRows } from "./cache-facts.ts";
import { keptShares, type KeptTokens } from "./kept-tokens.ts";
import { LEVELS, markedText } from "./marked-text.ts";

const BARS = 60;

/** A page that shows which tokens of a text a cache holds: one file, no script, nothing loaded from elsewhere. */
export function cachePage(facts: CacheFacts, kept: KeptTokens, text: TokenSpans): string {
  const title = `What ${printable(facts.path.replace(/^.*[/\\]/s, ""))} keeps`;
  const rows = cacheRows(facts).map(
    ([name, value]) => `<dt>${escapeMarkup(name)}</dt><dd>${escapeMarkup(printable(value))}</dd>`,
  );
  const stronger = facts.perHead
    ? "; the stronger, the more heads hold the token"
    : facts.scores === null
      ? ""
      : "; the stronger, the higher the score";
  const samples = Array.from({ length: LEVELS }, (_, i) => `<mark class="k${i + 1}">${i + 1}</mark>`).join(" ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeMarkup(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeMarkup(title)}</h1>
<p>Kept tokens are marked${stronger}: ${samples}. All other tokens are grey. ↵ is a kept line break.</p>
<figure>
${strip(keptShares(kept, facts.span, BARS))}
<figcaption>Share of rows kept, from the start of the text to its end; the line at the top is 100%.</figcaption>
</figure>
<article>${markedText(text, kept)}</article>
<details>
<summary>The file</summary>
<dl>${rows.join("")}</dl>
</details>
</body>
</html>
`;
}

function strip(shares: readonly number[]): string {
  const bars = shares.map((share, i) =>
    element(
      "rect",
      { x: i, y: 20 * (1 - share), width: 0.9, height: 20 * share },
      element("title", {}, escapeMarkup(formatPercent(share))),
    ),
  );
  const label = `Share of rows kept in ${shares.length} equal stretches of the text`;
  const frame = { viewBox: `0 0 ${shares.length} 20`, preserveAspectRatio: "none", role: "img", "aria-label": label };
  return element("svg", frame, bars.join(""));
}

const LIGHT = "--ground:#fff;--text:#1f2328;--quiet:#59636e;--line:#d0d7de;--mark:0 103 177";
const DARK = "--ground:#0d1117;--text:#e6edf3;--quiet:#9da7b1;--line:#3d444d;--mark:90 176 255";
const STEPS = Array.from(
  { length: LEVELS },
  (_, i) => `.k${i + 1}{background:rgb(var(--mark)/${10 + 8 * i}%);border-color:rgb(var(--mark)/${25 * i}%)}`,
);
const STYLE = [
  `:root{color-scheme:light dark;${LIGHT}}`,
  `@media (prefers-color-scheme:dark){:root{${DARK}}}`,
  "*{box-sizing:border-box}",
  "body{margin:0 auto;max-width:46rem;padding:1rem;background:var(--ground);color:var(--text);" +
    "font:1rem/1.6 system-ui,-apple-system,'Segoe UI','DejaVu Sans',Arial,sans-serif}",
  "h1{font-size:1.3rem;line-height:1.3;overflow-wrap:anywhere}",
  "article{white-space:pre-wrap;overflow-wrap:anywhere;color:var(--quiet);border-top:1px solid var(--line);padding-top:1rem}",
  "mark{color:var(--text);border-bottom:2px solid;border-radius:2px}",
  ...STEPS,
  '.n::before{content:"↵"}',
  "figure{margin:1rem 0}figcaption{color:var(--quiet);font-size:.85rem}",
  "svg{display:block;width:100%;height:2.5rem;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}",
  "rect{fill:rgb(var(--mark))}",
  "details{margin-top:1.5rem;border-top:1px solid var(--line);padding-top:.75rem}summary{cursor:pointer}",
  "dl{display:grid;grid-template-columns:minmax(6rem,auto) 1fr;gap:.25rem 1rem}",
  "dt{color:var(--quiet)}dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}",
  "@media (max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}",
].join("\n");
