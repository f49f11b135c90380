import type { WorkProgress } from "../api/types.ts";
import type { FinishedAnswer } from "./answer.ts";
import type { OpenConversation, Side } from "./conversations.ts";

/** One side's answer to a question, as far as it is. */
export interface SideAnswer {
  readonly state: "waiting" | "reading" | "answering" | "done" | "failed" | "stopped";
  /** Of the text that is read before the first answer. */
  readonly progress?: WorkProgress;
  readonly text: string;
  readonly opened?: OpenConversation;
  readonly finished?: FinishedAnswer;
  readonly failure?: string;
}

/** A question and its answers. */
export interface Turn {
  readonly question: string;
  readonly answers: Readonly<Partial<Record<Side, SideAnswer>>>;
}

export function newTurn(question: string, sides: readonly Side[]): Turn {
  const waiting: SideAnswer = { state: "waiting", text: "" };
  return { question, answers: Object.fromEntries(sides.map((side) => [side, waiting])) };
}

/** The turns with one answer changed. */
export function withAnswer(
  turns: readonly Turn[],
  place: number,
  side: Side,
  change: (before: SideAnswer) => SideAnswer,
): readonly Turn[] {
  return turns.map((turn, i) => {
    const own = turn.answers[side];
    if (i !== place || own === undefined) return turn;
    return { ...turn, answers: { ...turn.answers, [side]: change(own) } };
  });
}
