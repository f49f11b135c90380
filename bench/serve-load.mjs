#!/usr/bin/env node
// Streaming clients on a running `kv-distill serve` for a while: node bench/serve-load.mjs --url http://127.0.0.1:8080 --clients 200 --seconds 300
// One JSON object on stdout: answers, refusals by status, errors, tokens a second, latency of /health, lag of the server's event loop, growth of the server's memory.
// Exit code 1 for any error but the documented 429.
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:8080" },
    clients: { type: "string", default: "200" },
    seconds: { type: "string", default: "300" },
    "max-tokens": { type: "string", default: "32" },
    /** Every nth request makes a context and asks it; 0 for none. */
    "context-every": { type: "string", default: "20" },
    method: { type: "string", default: "streaming" },
    token: { type: "string" },
  },
});
const [clients, seconds, maxTokens, contextEvery] = ["clients", "seconds", "max-tokens", "context-every"].map((name) =>
  Number(values[name]),
);
const headers = {
  "Content-Type": "application/json",
  ...(values.token === undefined ? {} : { Authorization: `Bearer ${values.token}` }),
};
const TEXT = "The cat sat on the mat and the dog sat on the log, then they all went home again. ".repeat(4);

const model = (await (await fetch(`${values.url}/v1/models`, { headers })).json()).data[0].id;
const until = performance.now() + seconds * 1000;
const running = () => performance.now() < until;
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const post = (path, body) => fetch(values.url + path, { method: "POST", headers, body: JSON.stringify(body) });

let answered = 0;
let tokens = 0;
const refused = {};
const errors = {};
const firstTokens = [];
const health = [];
const memory = [];
const lags = [];

const count = (table, key) => {
  table[key] = (table[key] ?? 0) + 1;
};

/** A refusal is counted and waited for; anything else that is no success is an error. */
async function accepted(response) {
  if (response.ok) return true;
  const text = await response.text();
  if (response.status === 429) {
    count(refused, 429);
    await sleep(1000 * Math.min(5, Number(response.headers.get("retry-after") ?? 1)) * (0.5 + Math.random()));
  } else count(errors, `${response.status} ${text.slice(0, 200)}`);
  return false;
}

async function answer(context) {
  const begun = performance.now();
  const response = await post("/v1/chat/completions", {
    model,
    messages: [{ role: "user", content: "Who sat where? Tell me a story about it." }],
    max_tokens: maxTokens,
    temperature: 1,
    stream: true,
    stream_options: { include_usage: true },
    ...(context === undefined ? {} : { context }),
  });
  if (!(await accepted(response))) return;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    if (text === "") firstTokens.push(performance.now() - begun);
    text += decoder.decode(chunk, { stream: true });
  }
  if (!text.endsWith("data: [DONE]\n\n")) return count(errors, `unfinished stream: ${text.slice(-200)}`);
  answered++;
  tokens += Number(/"completion_tokens":(\d+)/.exec(text)?.[1] ?? 0);
}

async function client(number) {
  for (let i = number; running(); i++) {
    try {
      if (contextEvery === 0 || i % contextEvery !== 0) await answer();
      else {
        const made = await post("/v1/contexts", { text: TEXT, keep: "25%", method: values.method, seed: i });
        if (!(await accepted(made))) continue;
        const { id } = await made.json();
        await answer(id);
        await fetch(`${values.url}/v1/contexts/${id}`, { method: "DELETE", headers });
      }
    } catch (error) {
      count(errors, `${error.name}: ${error.cause?.code ?? error.message}`);
      await sleep(200);
    }
  }
}

/** Looks again and again; what fails is counted. */
async function watch(path, milliseconds, look) {
  while (running()) {
    try {
      const begun = performance.now();
      const response = await fetch(values.url + path, { headers });
      const text = await response.text();
      if (response.ok) look(text, performance.now() - begun);
      else count(errors, `${path} ${response.status}`);
    } catch (error) {
      count(errors, `${path} ${error.name}: ${error.cause?.code ?? error.message}`);
    }
    await sleep(milliseconds);
  }
}

const watchHealth = () => watch("/health", 100, (_, milliseconds) => health.push(milliseconds));

/** In a thread of its own: what the clients do is not to count as the server's time. */
const healthFromThread = () =>
  new Promise((resolve, reject) => {
    const thread = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
    thread.on("error", reject);
    thread.on("message", (seen) => {
      health.push(...seen.health);
      for (const [key, times] of Object.entries(seen.errors)) errors[key] = (errors[key] ?? 0) + times;
      resolve();
    });
  });

if (!isMainThread) {
  await watchHealth();
  parentPort.postMessage({ health, errors });
  process.exit(0);
}

const watchMemory = () =>
  watch("/metrics", 1000, (text) => {
    // Mapped weights come and go as the system likes; what the server holds itself is to be flat.
    const bytes = Number(/^kv_distill_private_memory_bytes (\S+)/m.exec(text)?.[1]);
    const resident = Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]);
    memory.push({ minutes: performance.now() / 60_000, bytes, resident });
    // Since the last look: what of a slow /health is the server's own doing.
    lags.push(1000 * Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1]));
  });

/** Bytes a minute by least squares, over the second half: the first fills caches. */
function slope(samples) {
  const half = samples.slice(Math.floor(samples.length / 2));
  const mean = (of) => half.reduce((sum, sample) => sum + of(sample), 0) / half.length;
  const [minutes, bytes] = [mean((sample) => sample.minutes), mean((sample) => sample.bytes)];
  const both = half.reduce((sum, sample) => sum + (sample.minutes - minutes) * (sample.bytes - bytes), 0);
  return both / half.reduce((sum, sample) => sum + (sample.minutes - minutes) ** 2, 0);
}

function quantiles(samples) {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1) };
}

await Promise.all([
  healthFromThread(),
  watchMemory(),
  ...Array.from({ length: clients }, (_, number) => client(number)),
]);
const result = {
  clients,
  seconds,
  model,
  answered,
  refused,
  errors,
  tokens_per_second: tokens / seconds,
  first_event_milliseconds: quantiles(firstTokens),
  health_milliseconds: quantiles(health),
  longest_lag_of_each_second_milliseconds: quantiles(lags),
  memory: {
    first_bytes: memory[0]?.bytes,
    last_bytes: memory.at(-1)?.bytes,
    largest_bytes: Math.max(...memory.map(({ bytes }) => bytes)),
    second_half_bytes_per_minute: slope(memory),
    last_resident_bytes: memory.at(-1)?.resident,
  },
};
console.log(JSON.stringify(result));
process.exitCode = Object.keys(errors).length === 0 ? 0 : 1;
