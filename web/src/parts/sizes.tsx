import { formatBytes, formatCount, formatDuration, formatNumber, formatPercent } from "../../../src/util/format.ts";
import type { ContextFacts, MadeContext } from "../api/types.ts";

export interface SizesProps {
  readonly context: ContextFacts;
  /** What was told when it was made, if that was here. */
  readonly made: MadeContext | undefined;
}

/** How large a context's cache would be and how large it is. */
export function Sizes({ context, made }: SizesProps) {
  const { tokens, rows, obtained, key_value_bytes: after, full_key_value_bytes: before, method } = context;
  const facts: (readonly [string, string])[] = [
    ["Kept", `${formatPercent(obtained.fraction)} of the tokens`],
    ["Method", method],
    ["File", formatBytes(context.file_bytes)],
  ];
  if (made !== undefined) {
    const { compress_seconds: seconds, tokens_per_second: rate } = made.timings;
    facts.push(["Compressed in", `${formatDuration(seconds)}, ${formatNumber(rate)} tokens/s`]);
  }
  if (made?.fidelity !== undefined) {
    const { forward_kl: kl, top1, tokens: compared } = made.fidelity;
    facts.push([
      "Against the full cache",
      `same likeliest token in ${formatPercent(top1)} of ${formatCount(compared)}, forward KL ${formatNumber(kl)} nats`,
    ]);
  }
  return (
    <section class="card" aria-labelledby="sizes">
      <h2 id="sizes">Size</h2>
      <div class="bars">
        <Bar name="Before" bytes={before} of={before} rows={tokens} />
        <Bar name="After" bytes={after} of={before} rows={rows} />
      </div>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {made?.warnings.map((warning) => (
        <p key={warning} class="note">
          {warning}
        </p>
      ))}
    </section>
  );
}

interface BarProps {
  readonly name: string;
  readonly bytes: number;
  readonly of: number;
  readonly rows: number;
}

function Bar({ name, bytes, of, rows }: BarProps) {
  return (
    <div class="bar">
      <span>{name}</span>
      <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
        <rect width="100" height="1" class="ground" />
        <rect width={Math.max(0.5, (100 * bytes) / of)} height="1" />
      </svg>
      <span>
        {formatBytes(bytes)} <span class="quiet">in {formatCount(rows)} rows</span>
      </span>
    </div>
  );
}
