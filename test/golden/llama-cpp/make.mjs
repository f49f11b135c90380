// Sequence states as llama.cpp itself saves them: two tokens of SmolLM2-135M-Instruct, without and with flash attention.
//   node tools/peers/setup.mjs node-llama-cpp
//   node test/golden/llama-cpp/make.mjs MODEL.gguf        (made with node-llama-cpp 3.22.1)
import { fileURLToPath } from "node:url";
const at = (path) => new URL(path, import.meta.url);
const { getLlama } = await import(at("../../../tools/peers/.installed/node-llama-cpp/node_modules/node-llama-cpp/dist/index.js"));

const llama = await getLlama({ gpu: false, build: "never" });
const model = await llama.loadModel({ modelPath: process.argv[2] });
for (const [name, flashAttention] of [["two.bin", false], ["two-flash.bin", true]]) {
  const context = await model.createContext({ contextSize: 512, flashAttention });
  const sequence = context.getSequence();
  await sequence.evaluateWithoutGeneratingNewTokens([1, 9690]);
  await sequence.saveStateToFile(fileURLToPath(at(name)));
  await context.dispose();
}
process.exit(0);
