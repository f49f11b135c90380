import { formatPercent } from "../../util/format.ts";
import { htmlDocument, htmlText } from "../../util/html/document.ts";
import { MARK_STYLE, markedText, markSamples, type TokenText } from "../../util/html/marked-text.ts";
import { element, escapeMarkup } from "../../util/svg/element.ts";
import type { KeptTokens } from "../../compress/kept-tokens.ts";
import { type CacheFacts, cacheRows } from "./cache-facts.ts";
import { keptShares } from "../../compress/kept-in-cache.ts";

const BARS = 60;

/** A page that shows which tokens of a text a cache holds: one file, no script, nothing loaded from elsewhere. */
export function cachePage(facts: CacheFacts, kept: KeptTokens, text: TokenText): string {
  const title = `What ${facts.path.replace(/^.*[/\\]/s, "")} keeps`;
  const rows = cacheRows(facts).map(([name, value]) => `<dt>${htmlText(name)}</dt><dd>${htmlText(value)}</dd>`);
  const stronger = facts.perHead
    ? "; the stronger, the more heads hold the token"
    : facts.scores === null
      ? ""
      : "; the stronger, the higher the score";
  return htmlDocument({
    title,
    style: STYLE,
    body: `<h1>${htmlText(title)}</h1>
<p>Kept tokens are marked${stronger}: ${markSamples()}. All other tokens are grey. ↵ is a kept line break.</p>
<figure>
${strip(keptShares(kept, facts.span, BARS))}
<figcaption>Share of rows kept, from the start of the text to its end; the line at the top is 100%.</figcaption>
</figure>
<article>${markedText(text, kept)}</article>
<details>
<summary>The file</summary>
<dl>${rows.join("")}</dl>
</details>`,
  });
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

const STYLE = [
  "body{max-width:46rem}",
  "h1{font-size:1.3rem;line-height:1.3;overflow-wrap:anywhere}",
  "article{white-space:pre-wrap;overflow-wrap:anywhere;color:var(--quiet);border-top:1px solid var(--line);padding-top:1rem}",
  MARK_STYLE,
  "figure{margin:1rem 0}figcaption{color:var(--quiet);font-size:.85rem}",
  "svg{display:block;width:100%;height:2.5rem;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}",
  "rect{fill:rgb(var(--mark))}",
  "details{margin-top:1.5rem;border-top:1px solid var(--line);padding-top:.75rem}",
  "dl{display:grid;grid-template-columns:minmax(6rem,auto) 1fr;gap:.25rem 1rem}",
  "dt{color:var(--quiet)}dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}",
  "@media (max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}",
].join("\n");
