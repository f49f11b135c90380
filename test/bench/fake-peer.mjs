// A peer that does as its first argument says.
import { createInterface } from "node:readline";

const [, , mood] = process.argv;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
if (mood === "no hello") say({ hello: "someone else", protocol: 1, versions: {} });
else say({ hello: "kv-distill bench", protocol: mood === "old" ? 0 : 1, versions: { fake: "1" } });
for await (const line of createInterface({ input: process.stdin })) {
  const { id, work, ids = [] } = JSON.parse(line);
  const answer = { id, seconds: 0.5, tokens: ids.length, peakBytes: 1000, check: { next: 7 } };
  if (work === "open") say({ ...answer, tokens: 0, check: {} });
  else if (mood === "crash") {
    console.error("out of ideas");
    process.exit(3);
  } else if (mood === "bad json") process.stdout.write("seven\u001b[2J\n");
  else if (mood === "not a result") say({ id, seconds: -1 });
  else if (mood === "other id") say({ ...answer, id: id + 1 });
  else if (mood === "refuses") say({ id, error: "this peer does not read" });
  else if (mood === "endless line") process.stdout.write("x".repeat(5_000_000));
  else if (mood === "in pieces") {
    const text = JSON.stringify(answer);
    process.stdout.write(text.slice(0, 9));
    setTimeout(() => process.stdout.write(`${text.slice(9)}\n`), 20);
  } else if (mood !== "silent") say(answer);
}
if (mood === "silent") setInterval(() => undefined, 1000);
