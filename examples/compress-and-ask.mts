// Compresses a text once, saves it, and answers questions from the file.
//   npx tsx compress-and-ask.mts [FILE [QUESTION …]]          MODEL and METHOD in the environment choose others
import { readFile } from "node:fs/promises";
import { argv, env, stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { compress, describeKvd, generate, loadKvd, loadModel, saveKvd } from "kv-distill";

const [file = fileURLToPath(new URL("galapagos.txt", import.meta.url)), ...given] = argv.slice(2);
const questions = given.length > 0 ? given : ["How many principal islands are there?", "What are they formed of?"];

const model = await loadModel(env.MODEL ?? "smollm2-135m-instruct");
try {
  // "kv-distill" uses the adapter that comes with the package for this model. Others need none: "snapkv", "streaming", …
  const method = env.METHOD ?? "kv-distill";
  await saveKvd("text.kvd", await compress(model, await readFile(file, "utf8"), { keep: 0.25, method }));
  const { slots, contextLength, fileSize } = await describeKvd("text.kvd");
  console.log(`text.kvd: ${slots} rows for ${contextLength} tokens, ${fileSize} bytes`);

  // From here on the text is not needed: this may be another process, and happen any number of times.
  const cache = await loadKvd("text.kvd", { expectModel: model.files });
  for (const prompt of questions) {
    console.log(`\n> ${prompt}`);
    for await (const piece of generate(model, { cache, prompt, maxTokens: 64 })) stdout.write(piece);
    console.log();
  }
} finally {
  await model.close();
}
