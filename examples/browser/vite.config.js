// `npx vite examples/browser` in a project that has vite, kv-distill and onnxruntime-web. `public/` holds the model and the adapter.
const headers = {
  // Threads of WebAssembly need both; without them one thread computes.
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default {
  server: { headers },
  preview: { headers },
  build: { target: "es2023" },
  // The worker fetches one of two builds of ONNX Runtime, so its script is in several files.
  worker: { format: "es" },
  // Their scripts look for files beside themselves, which bundling in advance would move.
  optimizeDeps: { exclude: ["kv-distill", "onnxruntime-web"] },
};
