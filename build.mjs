// Bundles the page's half of the package: a script for each view, one for the report's page, and their styles, into
// semrsm_widgets/views/static/, which is committed, so that a user needs Python only. `--watch` builds anew at each
// change.

import { readdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
const target = "semrsm_widgets/views/static";

/** @type {[bundle: string, source: string][]} */
const bundles = [
  ["rsm", "views/rsm/view.js"],
  ["pair", "views/pair/view.js"],
  ["retrieval", "views/retrieval/view.js"],
  ["layer_map", "views/compare/layer_map.js"],
  ["transform_lab", "views/transform_lab/view.js"],
  ["stepper", "views/stepper/view.js"],
  ["stepper_page", "views/stepper/page.js"],
  ["explorer", "views/explorer/header.js"],
  ["composed", "views/base/composed.js"],
  // One style for all views: were each view's a file of its own, with the rules that all share in each, the shared rules
  // of one view would come after the own rules of another on the same page, and win over them.
  ["views", "views/style.css"],
  ["report", "report/page.js"],
  ["report", "report/page.css"],
];

/** @type {esbuild.BuildOptions} */
const options = {
  absWorkingDir: root,
  entryPoints: bundles.map(([name, source]) => ({ in: `semrsm_widgets/${source}`, out: name })),
  outdir: target,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "ascii",
  legalComments: "none",
  logLevel: "info",
  metafile: true,
};

if (process.argv.includes("--watch")) {
  const context = await esbuild.context(options);
  await context.watch();
} else {
  const { metafile } = await esbuild.build(options);
  // What an older build left is not for the wheel.
  const made = new Set(Object.keys(/** @type {esbuild.Metafile} */ (metafile).outputs));
  for (const name of await readdir(`${root}${target}`)) {
    if (!made.has(`${target}/${name}`)) await rm(`${root}${target}/${name}`);
  }
}
