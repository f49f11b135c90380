/** Where ONNX Runtime put the nodes of one session. */
export interface SessionPlacement {
  /** Nodes by provider, as counted by ONNX Runtime itself. */
  readonly counts: Readonly<Record<string, number>>;
  /** Every node by name; none when one provider has them all. */
  readonly nodes: readonly { readonly provider: string; readonly op: string; readonly node: string }[];
}

const PROVIDER = /(?:Node\(s\)|All nodes) placed on \[(\w+)\]\. Number of nodes: (\d+)/;
const NODE = /VerifyEachNodeIsAssignedToAnEp\]\s+(\w+) \((.*)\)$/;

/** The placements of all sessions in ONNX Runtime's verbose log, in the order in which the sessions were made. */
export function placementsIn(log: string): SessionPlacement[] {
  const sessions: { counts: Record<string, number>; nodes: { provider: string; op: string; node: string }[] }[] = [];
  let provider = "";
  for (const line of log.split("\n")) {
    if (line.endsWith("] Node placements")) sessions.push({ counts: {}, nodes: [] });
    const session = sessions.at(-1);
    if (session === undefined) continue;
    const [, name, count] = PROVIDER.exec(line) ?? [];
    if (name !== undefined) {
      provider = name;
      session.counts[provider] = Number(count);
    }
    const [, op, node] = NODE.exec(line) ?? [];
    if (op !== undefined && node !== undefined) session.nodes.push({ provider, op, node });
  }
  return sessions;
}
