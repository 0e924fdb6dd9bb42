/**
 * Write src/api/generated.ts, the types of all `.graphql` documents under src from the repository's schema.graphql, and the
 * trusted documents: the same as the page sends them, by the SHA-256 of their text. With `--check` only compare.
 */

import { createHash } from "node:crypto";

import { readFile, readdir, writeFile } from "node:fs/promises";

import { codegen } from "@graphql-codegen/core";
import * as typedDocumentNode from "@graphql-codegen/typed-document-node";
import * as typescriptOperations from "@graphql-codegen/typescript-operations";
import { parse, print } from "graphql";

const SOURCES = new URL("../src/", import.meta.url);
const TYPES = new URL("api/generated.ts", SOURCES);
const TRUSTED = new URL("../../trusted-documents/dashboard.json", import.meta.url);

const names = (await readdir(SOURCES, { recursive: true })).filter((name) => name.endsWith(".graphql")).sort();
const documents = await Promise.all(
  names.map(async (name) => ({ location: name, document: parse(await readFile(new URL(name, SOURCES), "utf8")) })),
);
const output = await codegen({
  filename: TYPES.pathname,
  schema: parse(await readFile(new URL("../../../schema.graphql", import.meta.url), "utf8")),
  documents,
  config: {
    enumsAsTypes: true,
    avoidOptionals: { field: true },
    skipTypename: true,
    useTypeImports: true,
    scalars: { DateTime: "string", BigInt: { input: "string | number", output: "string" }, JSON: "unknown" },
  },
  plugins: [{ typescriptOperations: {} }, { typedDocumentNode: {} }],
  pluginMap: { typescriptOperations, typedDocumentNode },
});
// Each document is a constant with its syntax tree, which contains the fragments in the order in which they are sent.
const texts = [...output.matchAll(/^export const \w+Document = (\{.*\}) as unknown as /gm)].map(([, tree]) => print(JSON.parse(tree)));
const byHash = Object.fromEntries(texts.map((text) => [createHash("sha256").update(text).digest("hex"), text]));

const files = [
  [TYPES, `// Written by \`npm run generate\` from the .graphql files and schema.graphql.\n${output}`],
  [TRUSTED, `${JSON.stringify(byHash, null, 2)}\n`],
];
for (const [file, text] of files) {
  if (!process.argv.includes("--check")) {
    await writeFile(file, text);
  } else if (text !== (await readFile(file, "utf8"))) {
    console.error(`${file.pathname} is out of date: npm run generate`);
    process.exitCode = 1;
  }
}
