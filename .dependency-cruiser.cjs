// Layers, top to bottom. A folder imports itself and folders below it; `runtime` and `graph` know nothing of models.
const layers = [
  ["cli"],
  ["server"],
  ["bench"],
  ["distribute"],
  ["evaluate"],
  ["train"],
  ["data"],
  ["browser"],
  ["generate"],
  ["compress"],
  ["cache"],
  ["models"],
  ["nn"],
  ["graph"],
  ["runtime"],
  ["formats"],
  ["tensor"],
  ["util"],
];

const upward = layers.flatMap((layer, depth) => {
  const above = layers.slice(0, depth).flat();
  if (above.length === 0) return [];
  return layer.map((name) => ({
    name: `${name}-imports-downwards-only`,
    severity: "error",
    from: { path: `^src/${name}/` },
    to: { path: `^src/(${above.join("|")})/` },
  }));
});

module.exports = {
  forbidden: [
    ...upward,
    // What it reaches through other folders, test/browser/browser.test.ts sees in the bundle: types may be Node's.
    {
      name: "browser-without-node",
      severity: "error",
      from: { path: "^src/browser/" },
      to: { dependencyTypes: ["core"] },
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-orphans",
      severity: "error",
      from: {
        orphan: true,
        path: "^src/",
        pathNot:
          "^src/(index|cli/main|runtime/worker|server/encoder/worker|data/sources/read/parquet-worker|server/shared-runs/report-worker)\\.ts$",
      },
      to: {},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
  },
};
