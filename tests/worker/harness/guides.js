// The blocks of the guides, as people paste them.
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "./places.js";

// The blocks of one language in a page, without the indent of the list that they stand in.
export function blocks(page, language) {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^\\1\`\`\``, "gms"))]
    .map(([, indent, block]) => block.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
}

// The text with each of these replaced; each must be there.
export function filled(text, changes) {
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`there is no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}
