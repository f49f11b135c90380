// Loads a model, compresses a document, answers questions about it; all of it in the page.
import * as kvDistill from "kv-distill/browser";

const { compress, generate, kvdBlob, loadAdapter, loadKvd, loadModel, slotsOf } = kvDistill;

/** Of this page: for the browser's console. */
window.kvDistill = kvDistill;

const element = (id) => document.getElementById(id);
let model;
let adapter;
let cache;

/** Runs what a form does; one thing at a time, and faults are told where the result would be. */
function onSubmit(form, output, work) {
  element(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter;
    button.disabled = true;
    try {
      await work(element(output));
    } catch (error) {
      element(output).textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
}

onSubmit("load", "loaded", async (output) => {
  await model?.close();
  const device = element("device").value;
  model = await loadModel(element("model").value, {
    ...(device !== "" && { device }),
    onProgress: ({ step, done, total }) => {
      output.textContent = `${step}: ${(done / 1e6).toFixed(0)} of ${total === undefined ? "?" : (total / 1e6).toFixed(0)} MB`;
    },
    onWarning: (message) => {
      console.warn(message);
    },
  });
  adapter = await loadAdapter(element("adapter").value, { expectModel: model.files });
  const { device: runs, threads, reason } = model.device;
  output.textContent = `${model.files.name} on ${runs}, ${threads} thread${threads === 1 ? "" : "s"} (${reason})`;
  element("document").disabled = false;
});

async function show(compressed, output) {
  cache = compressed;
  output.textContent = `${slotsOf(cache)} of ${cache.contextLength} tokens`;
  URL.revokeObjectURL(element("save").href);
  element("save").href = URL.createObjectURL(await kvdBlob(cache));
  element("save").hidden = false;
  element("question-part").disabled = false;
}

onSubmit("compress", "compressed", async (output) => {
  const onProgress = ({ tokens, total }) => {
    output.textContent = `${tokens} of ${total} tokens read`;
  };
  const keep = Number(element("keep").value) / 100;
  await show(await compress(model, element("text").value, { keep, adapter, onProgress }), output);
});

element("file").addEventListener("change", async ({ target }) => {
  try {
    if (target.files[0] !== undefined) {
      await show(await loadKvd(target.files[0], { expectModel: model.files }), element("compressed"));
    }
  } catch (error) {
    element("compressed").textContent = error.message;
  }
});

onSubmit("ask", "answer", async (output) => {
  output.textContent = "";
  const options = { cache, prompt: element("question").value, maxTokens: Number(element("most").value) };
  for await (const piece of generate(model, options)) output.textContent += piece;
});
