import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useSession } from "../session.ts";
import { useWork } from "../use-work.ts";
import { AnswerBox } from "./answer-box.tsx";
import { askConversation } from "./answer.ts";
import { ChatConversations, type Side, SIDES } from "./conversations.ts";
import { newTurn, type SideAnswer, type Turn, withAnswer } from "./turn.ts";

const NAMES: Readonly<Record<Side, string>> = { distilled: "Distilled cache", full: "Full cache" };
const DEFAULT_LENGTH = 128;

/** Questions about a context, answered by its cache and by the full one. */
export function Chat({ context }: { readonly context: string }) {
  const { api } = useSession();
  const conversations = useMemo(() => new ChatConversations(api, context), [api, context]);
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [question, setQuestion] = useState("");
  const [withFull, setWithFull] = useState(true);
  const [length, setLength] = useState(DEFAULT_LENGTH);
  const [said, setSaid] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  const work = useWork();

  useEffect(() => {
    const leave = (): void => {
      conversations.close(true);
    };
    addEventListener("pagehide", leave);
    return () => {
      removeEventListener("pagehide", leave);
      conversations.close();
    };
  }, [conversations]);

  const ask = (): void => {
    const asked = question.trim();
    const place = turns.length;
    // Chosen with the first question: later ones must follow the same chat on both sides.
    const sides = SIDES.filter((side) => side === "distilled" || withFull);
    const change = (side: Side, how: (before: SideAnswer) => SideAnswer): void => {
      setTurns((before) => withAnswer(before, place, side, how));
    };
    const answerBy = async (side: Side, signal: AbortSignal): Promise<void> => {
      change(side, (own) => ({ ...own, state: "reading" }));
      const opened = await conversations.get(side, signal, (progress) => {
        change(side, (own) => ({ ...own, progress }));
      });
      change(side, (own) => ({ ...own, state: "answering", opened }));
      const finished = await askConversation(api, opened.facts.id, asked, length, signal, (piece) => {
        change(side, (own) => ({ ...own, text: own.text + piece }));
      });
      change(side, (own) => ({ ...own, state: "done", finished }));
    };
    const stopped = (own: SideAnswer): SideAnswer =>
      own.state === "done" || own.state === "failed" ? own : { ...own, state: "stopped" };

    setTurns([...turns, newTurn(asked, sides)]);
    setQuestion("");
    setSaid("");
    work.start(async (signal) => {
      // One after the other: at the same time each would wait for the other's steps, and neither speed would mean anything.
      for (const side of sides) {
        try {
          await answerBy(side, signal);
          setSaid(`The ${NAMES[side].toLowerCase()} has answered.`);
        } catch (error) {
          if (signal.aborted) {
            for (const each of sides) change(each, stopped);
            setSaid("Stopped.");
            return;
          }
          const message = error instanceof Error ? error.message : String(error);
          const lost = conversations.ended(side, error) ? " The next question begins a new chat." : "";
          change(side, (own) => ({ ...own, state: "failed", failure: message + lost }));
          setSaid(`The ${NAMES[side].toLowerCase()} has failed: ${message}`);
        }
      }
    });
  };

  const restart = (): void => {
    work.cancel();
    conversations.close();
    setTurns([]);
    setSaid("A new chat.");
    field.current?.focus();
  };

  return (
    <section aria-labelledby="chat">
      <div class="row">
        <h2 id="chat">Ask about it</h2>
        {turns.length > 0 && (
          <button type="button" onClick={restart}>
            New chat
          </button>
        )}
      </div>
      {/* What is read out is a whole answer: not each of its words as it comes. */}
      <ol class="turns" aria-live="polite" aria-relevant="additions text" aria-busy={work.busy}>
        {turns.map(({ question: own, answers }, i) => (
          <li key={i}>
            <h3>{own}</h3>
            <div class="pair">
              {SIDES.map((side) => {
                const answer = answers[side];
                return answer === undefined ? null : <AnswerBox key={side} name={NAMES[side]} answer={answer} />;
              })}
            </div>
          </li>
        ))}
      </ol>
      <p role="status" class="hidden">
        {said}
      </p>
      <form
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          if (!work.busy && question.trim() !== "") ask();
        }}
      >
        <label for="question">Question</label>
        <textarea
          id="question"
          ref={field}
          rows={2}
          value={question}
          aria-describedby="question-note"
          onInput={({ currentTarget }) => {
            setQuestion(currentTarget.value);
          }}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }}
        />
        <p id="question-note" class="quiet">
          Enter asks, Shift+Enter begins a line. The distilled cache answers first, then the full one, so that neither
          slows the other.
        </p>
        <div class="row">
          {work.busy ? (
            <button type="button" onClick={work.cancel}>
              Stop
            </button>
          ) : (
            <button type="submit" class="main" disabled={question.trim() === ""}>
              Ask
            </button>
          )}
          <span class="check">
            <input
              id="with-full"
              type="checkbox"
              checked={withFull}
              disabled={turns.length > 0}
              onChange={({ currentTarget }) => {
                setWithFull(currentTarget.checked);
              }}
            />
            <label for="with-full">Ask the full cache too</label>
          </span>
          <span class="field">
            <label for="length">Longest answer, tokens</label>
            <input
              id="length"
              type="number"
              min={1}
              max={4096}
              value={length}
              onChange={({ currentTarget }) => {
                if (currentTarget.checkValidity()) setLength(currentTarget.valueAsNumber);
              }}
            />
          </span>
        </div>
      </form>
    </section>
  );
}
