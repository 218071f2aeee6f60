// A package that is installed under target/, apart from the sources.
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const clients = process.env.CLIENTS ?? fileURLToPath(new URL("../../../target/clients", import.meta.url));
const { resolve } = createRequire(`${clients}/node/`);

export const installed = (name) => import(pathToFileURL(resolve(name)));
