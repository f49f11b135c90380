import { formatBytes, formatCount, formatDuration, formatRate } from "../../../src/util/format.ts";
import { printable } from "../../../src/util/printable.ts";
import type { SideAnswer } from "./turn.ts";

export interface AnswerBoxProps {
  readonly name: string;
  readonly answer: SideAnswer;
}

/** An answer as it comes, and what it took. */
export function AnswerBox({ name, answer }: AnswerBoxProps) {
  const { state, text, progress, failure } = answer;
  return (
    <article class="answer">
      <h4>{name}</h4>
      {state === "waiting" && <p class="quiet">waiting for its turn</p>}
      {state === "reading" && (
        <>
          <p class="quiet">
            {progress === undefined
              ? "waiting for the model"
              : `reading the text: ${formatCount(progress.tokens)} of ${formatCount(progress.total)} tokens`}
          </p>
          <progress
            max={1}
            aria-label={`${name}: reading the text`}
            {...(progress === undefined ? {} : { value: progress.tokens / progress.total })}
          />
        </>
      )}
      {state === "answering" && text === "" && <p class="quiet">reading the question</p>}
      {text !== "" && (
        <p class={state === "answering" ? "said open" : "said"}>{printable(text.replaceAll("\r", ""))}</p>
      )}
      {state === "done" && text === "" && <p class="quiet">an empty answer</p>}
      {state === "stopped" && <p class="quiet">Stopped: this cache goes on as if it had not been asked.</p>}
      {state === "failed" && <p class="failure">{failure}</p>}
      <AnswerFacts answer={answer} />
    </article>
  );
}

function AnswerFacts({ answer: { opened, finished } }: Pick<AnswerBoxProps, "answer">) {
  if (opened === undefined) return null;
  const { rows, key_value_bytes: bytes } = finished?.conversation ?? opened.facts;
  const facts: (readonly [string, string])[] = [
    ["Memory", `${formatBytes(bytes)}, ${formatCount(rows)} rows`],
    ["Ready after", formatDuration(opened.seconds)],
  ];
  if (finished !== undefined) {
    const { tokens, secondsToFirst, tokensPerSecond } = finished.speed;
    if (secondsToFirst !== undefined) facts.push(["First token", `after ${formatDuration(secondsToFirst)}`]);
    if (tokensPerSecond !== undefined) facts.push(["Speed", formatRate(tokensPerSecond, "tokens")]);
    facts.push(["Length", `${formatCount(tokens)} tokens${finished.cut ? ", cut" : ""}`]);
  }
  return (
    <dl>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
