// The peer's side of the bench's protocol (README.md): JSON, one object a line. What libraries print goes to stderr.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const PROTOCOL = 1;

/** Runs the measured part of a request: seconds and peak memory of it alone. */
export async function measure(part) {
  if (process.platform === "linux") writeFileSync("/proc/self/clear_refs", "5");
  const begun = performance.now();
  const value = await part();
  return { value, seconds: (performance.now() - begun) / 1000, peakBytes: peak() };
}

function peak() {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS * 1024;
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
}

/**
 * @param open prepares for an open request
 * @param works by name: request -> { seconds, tokens, peakBytes, check }
 */
export async function serve(versions, open, works) {
  const write = process.stdout.write.bind(process.stdout);
  const say = (line) => write(`${JSON.stringify(line)}\n`);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  say({ hello: "kv-distill bench", protocol: PROTOCOL, versions: { node: process.versions.node, ...versions } });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    const { id, work } = request;
    try {
      if (work === "open") {
        await open(request);
        say({ id, seconds: 0, tokens: 0, peakBytes: null, check: {} });
      } else if (works[work] === undefined) {
        say({ id, error: `this peer does not do ${work}` });
      } else {
        say({ id, ...(await works[work](request)) });
      }
    } catch (error) {
      console.error(error);
      say({ id, error: String(error?.message ?? error) });
    }
  }
  process.exit(0);
}
