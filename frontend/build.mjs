// Bundles what the panel sends to browsers: src/*.css and *.js to ../python/sealtone/web/static, each file under a name
// with its content's hash, beside it the same compressed, and manifest.json, which leads from name to file.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const out = new URL("../python/sealtone/web/static/", import.meta.url).pathname;
const entries = ["src/app.css", "src/app.js"];
for (const name of readdirSync("src/entries")) {
  if (/\.(js|css)$/.test(name)) entries.push(`src/entries/${name}`);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const built = await build({
  entryPoints: entries,
  entryNames: "[name]",
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2021"],
  charset: "utf8",
  legalComments: "linked",
  loader: { ".svg": "dataurl", ".woff2": "file" },
  write: false,
});

const files = built.outputFiles.map((file) => [basename(file.path), Buffer.from(file.contents)]);
for (const name of readdirSync("public")) {
  if (statSync(join("public", name)).isFile()) files.push([name, readFileSync(join("public", name))]);
}
const manifest = {};
for (const [name, data] of files) {
  const extension = extname(name);
  const hash = createHash("sha256").update(data).digest("hex").slice(0, 16);
  const hashed = `${basename(name, extension)}-${hash}${extension}`;
  manifest[name] = hashed;
  writeFileSync(join(out, hashed), data);
  if ([".js", ".css", ".svg"].includes(extension)) {
    writeFileSync(join(out, `${hashed}.gz`), gzipSync(data, { level: 9 }));
    writeFileSync(
      join(out, `${hashed}.br`),
      brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    );
  }
}
writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
