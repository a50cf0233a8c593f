// Bundles scripts, styles, fonts and icons into the folder given as the only argument, each file
// under a name that holds the hash of what is in it, with a manifest from plain to hashed names.
// Every file also lies there compressed, so that serving it costs nothing.

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { compile } from "sass";

const HERE = import.meta.dirname;
const OUT = resolve(process.argv[2]);
const COMPRESSED = /\.(js|css|svg|json|webmanifest)$/;
const manifest = {};

async function scriptsIn(folder) {
  const names = await readdir(join(HERE, "src", folder)).catch(() => []);
  return names
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .sort()
    .map((name) => join(HERE, "src", folder, name));
}

function hashed(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 10);
  return name.replace(/(\.[a-z]+)$/, `-${hash}$1`);
}

async function put(name, content) {
  const target = hashed(name, content);
  await writeFile(join(OUT, target), content);
  manifest[name] = target;
}

const common = {
  bundle: true,
  minify: true,
  outdir: OUT,
  metafile: true,
  target: "es2022",
  logLevel: "warning",
  legalComments: "none",
  entryNames: "[name]-[hash]",
  chunkNames: "chunk-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".woff2": "file" },
};

function note(result) {
  for (const [file, facts] of Object.entries(result.metafile.outputs)) {
    if (facts.entryPoint === undefined) continue;
    const plain = basename(facts.entryPoint.replace(/^[a-z-]+:/, "")).replace(/\.ts$/, ".js");
    manifest[plain] = relative(OUT, resolve(file));
  }
}

async function scripts() {
  const entryPoints = [...(await scriptsIn("entries")), ...(await scriptsIn("records"))];
  note(await build({ ...common, entryPoints, format: "esm", splitting: true }));
  // The theme must be known before the first paint: a classic script, no module.
  note(await build({ ...common, entryPoints: [join(HERE, "src", "theme.ts")], format: "iife" }));
}

async function styles() {
  const sheets = { "site.css": "site.scss" };
  for (const [name, source] of Object.entries(sheets)) {
    const { css } = compile(join(HERE, "src", "styles", source), {
      style: "compressed",
      quietDeps: true,
    });
    note(
      await build({
        ...common,
        entryPoints: [name],
        plugins: [
          {
            name: "compiled-sass",
            setup(bundler) {
              bundler.onResolve({ filter: /^site\.css$/ }, () => ({ path: name, namespace: "sass" }));
              bundler.onLoad({ filter: /.*/, namespace: "sass" }, () => ({
                contents: css,
                loader: "css",
                resolveDir: join(HERE, "src", "styles"),
              }));
            },
          },
        ],
      }),
    );
  }
}

async function icons() {
  const names = JSON.parse(await readFile(join(HERE, "icons.json"), "utf8"));
  const folder = join(HERE, "node_modules", "@tabler", "icons", "icons");
  const symbols = await Promise.all(
    names.map(async (name) => {
      const [style, plain] = name.endsWith("-filled")
        ? ["filled", name.slice(0, -"-filled".length)]
        : ["outline", name];
      const svg = await readFile(join(folder, style, `${plain}.svg`), "utf8");
      const body = svg.replace(/^[\s\S]*?<svg[^>]*>/, "").replace(/<\/svg>\s*$/, "");
      const inner = body.replace(/<path stroke="none"[^>]*\/>/, "").replace(/\s*\n\s*/g, "");
      const paint =
        style === "filled"
          ? 'fill="currentColor"'
          : 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"';
      return `<symbol id="${name}" viewBox="0 0 24 24" ${paint}>${inner}</symbol>`;
    }),
  );
  await put("icons.svg", `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);
}

async function pictures() {
  for (const name of (await readdir(join(HERE, "static"))).sort()) {
    await put(name, await readFile(join(HERE, "static", name)));
  }
}

async function compress() {
  for (const name of await readdir(OUT)) {
    if (!COMPRESSED.test(name)) continue;
    const content = await readFile(join(OUT, name));
    await writeFile(join(OUT, `${name}.gz`), gzipSync(content, { level: 9 }));
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
    await writeFile(join(OUT, `${name}.br`), brotliCompressSync(content, quality));
  }
}

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
await Promise.all([scripts(), styles(), icons(), pictures()]);
await compress();
await writeFile(join(OUT, "manifest.json"), JSON.stringify(manifest, Object.keys(manifest).sort(), 1));
