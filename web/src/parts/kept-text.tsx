import { useState } from "preact/hooks";
import { formatCount, formatNumber, formatPercent } from "../../../src/util/format.ts";
import { printable } from "../../../src/util/printable.ts";
import type { MarkedText, TextPiece } from "../api/types.ts";

/** Pieces shown at once: a browser lays out so many in a moment. */
const PIECES = 8000;

/** A context's text with what was kept marked in it. */
export function KeptText({ marked }: { readonly marked: MarkedText }) {
  const { pieces, levels, heads, scored, shares } = marked;
  const [shown, setShown] = useState(PIECES);
  const stronger =
    heads > 1 ? ": the stronger, the more heads hold the token" : scored ? ": the stronger, the higher the score" : "";
  return (
    <section aria-labelledby="kept">
      <h2 id="kept">What was kept</h2>
      <p class="quiet">
        Kept tokens are marked{stronger}{" "}
        {Array.from({ length: levels }, (_, i) => (
          <span key={i}>
            <mark class={`k${i + 1}`}>{i + 1}</mark>
            {i + 1 < levels ? " " : ""}
          </span>
        ))}
        . Everything else is grey. ↵ is a kept line break.
      </p>
      <Shares shares={shares} />
      <div class="text" tabIndex={0} role="region" aria-label="Text with kept tokens marked">
        {pieces.slice(0, shown).map((piece) => (
          <Piece key={piece.token} piece={piece} heads={heads} />
        ))}
      </div>
      {shown < pieces.length && (
        <button
          type="button"
          onClick={() => {
            setShown(shown + PIECES);
          }}
        >
          Show more: {formatCount(pieces.length - shown)} pieces are left
        </button>
      )}
    </section>
  );
}

function Piece({ piece, heads }: { readonly piece: TextPiece; readonly heads: number }) {
  const { level, token, score, held_by: held } = piece;
  const text = printable(piece.text.replaceAll("\r", ""));
  if (level === 0) return <>{text}</>;
  const facts = [`token ${token}`];
  if (score !== undefined) facts.push(`score ${formatNumber(score)}`);
  if (held !== undefined) facts.push(`held by ${held} of ${heads} heads`);
  return (
    <mark class={text.includes("\n") ? `k${level} n` : `k${level}`} title={facts.join(", ")}>
      {text}
    </mark>
  );
}

/** Where in the text the kept tokens lie. */
function Shares({ shares }: { readonly shares: readonly number[] }) {
  const least = Math.min(...shares);
  const most = Math.max(...shares);
  const label = `Share of tokens kept along the text: from ${formatPercent(least)} to ${formatPercent(most)}`;
  return (
    <figure class="shares">
      <svg viewBox={`0 0 ${shares.length} 20`} preserveAspectRatio="none" role="img" aria-label={label}>
        {shares.map((share, i) => (
          <rect key={i} x={i} y={20 * (1 - share)} width={0.9} height={20 * share} />
        ))}
      </svg>
      <figcaption class="quiet">Share kept along the text, from its beginning; the top line is 100%.</figcaption>
    </figure>
  );
}
