// Generates code from the contract, with what its readers would use. Prints one JSON object.
//
//     node generate.js SCHEMAS-FOLDER

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { compile } from "json-schema-to-typescript";
import { JavaGenerator, TypeScriptGenerator } from "@asyncapi/modelina";
import { Parser } from "@asyncapi/parser";

const folder = process.argv[2];
const read = (...path) => JSON.parse(readFileSync(join(folder, ...path), "utf-8"));
const names = readdirSync(join(folder, "json")).map((name) => name.replace(".json", ""));

// AJV with everything that its strict mode knows as an error.
function validated() {
  const refused = {};
  for (const name of names) {
    const ajv = new Ajv2020.default({ strict: true, allowUnionTypes: false });
    addFormats.default(ajv);
    const validate = ajv.compile(read("json", `${name}.json`));
    try {
      const sample = read("samples", `${name}.json`);
      if (!validate(sample)) refused[name] = validate.errors;
    } catch (error) {
      if (error.code !== "ENOENT") throw error; // an input has no sample
    }
  }
  return refused;
}

async function typescript() {
  const made = {};
  for (const name of names) made[name] = await compile(read("json", `${name}.json`), name);
  return made;
}

const { diagnostics } = await new Parser().parse(JSON.stringify(read("asyncapi.json")));

async function modelina(generator) {
  // It knows version 3.0 at most; the document has nothing of 3.1 but the number.
  const models = await generator.generate({ ...read("asyncapi.json"), asyncapi: "3.0.0" });
  return Object.fromEntries(models.map((one) => [one.modelName, one.result]));
}

console.log(
  JSON.stringify({
    refused: validated(),
    diagnostics: diagnostics.map((one) => `${one.severity} ${one.code} ${one.path.join(".")}`),
    typescript: await typescript(),
    java: await modelina(new JavaGenerator()),
    modelinaTypescript: await modelina(new TypeScriptGenerator()),
  }),
);
