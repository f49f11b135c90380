// A chat about a long text that never outgrows the model: the text is compressed at the beginning, and older turns are compressed in
// place whenever the cache holds too many rows. Questions are lines of stdin.
//   npx tsx chat.mts [FILE] [ROWS]          MODEL and METHOD in the environment choose others
import { readFile } from "node:fs/promises";
import { argv, env, stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { attachAdapter, compress, loadModel, shippedAdapter, startConversation } from "kv-distill";

const [file = fileURLToPath(new URL("galapagos.txt", import.meta.url)), mostRows = "800"] = argv.slice(2);
/** The context, which counts as a message, and the last question with its answer stay as they are. */
const [FIRST, LAST] = [1, 2];

const model = await loadModel(env.MODEL ?? "smollm2-135m-instruct");
try {
  const method = env.METHOD ?? "kv-distill";
  const adapter = method === "kv-distill" ? await attachAdapter(model, await shippedAdapter(model.files)) : undefined;
  const how = { keep: 0.25, method, ...(adapter === undefined ? {} : { adapter }) };
  const cache = await compress(model, await readFile(file, "utf8"), { ...how, fold: true });
  const chat = await startConversation(model, { cache });
  console.log(`${chat.tokens} tokens in ${chat.rows} rows. Ask:`);

  for await (const question of createInterface({ input: stdin })) {
    if (question.trim() === "") continue;
    for await (const piece of chat.ask(question, { maxTokens: 64 })) stdout.write(piece);
    console.log();
    const to = chat.messages.length - LAST;
    if (chat.rows > Number(mostRows) && to > FIRST) {
      await chat.compress({ ...how, from: FIRST, to });
      console.log(`(compressed: ${chat.tokens} tokens in ${chat.rows} rows)`);
    }
  }
  chat.release();
  adapter?.release();
} finally {
  await model.close();
}
