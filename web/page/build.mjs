// Bundles the page into dist.
import { build } from "esbuild";
import { copyFile } from "node:fs/promises";

await build({
  entryPoints: ["src/app.ts", "src/check.ts", "src/console.ts", "src/listen.ts", "src/parley.ts", "src/app.css", "src/console.css"],
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "eof",
  plugins: [{
    name: "client", // the page imports the client as another page would: it is a module of its own
    setup: (b) => b.onResolve({ filter: /^\.\/parley\.js$/ }, (a) => (a.kind === "entry-point" ? null : { path: a.path, external: true })),
  }],
});
for (const name of ["index.html", "check.html", "console.html", "listen.html", "favicon.svg"]) await copyFile(`src/${name}`, `dist/${name}`);
