/** What several documents of one recipe may not be to each other. */
import { quote } from "../../checkpoint/quote";
import type { Problem } from "../problem";
import { listed } from "./reader";
import type { Located, MergeDocument, ModelReference } from "./recipe";
import { documentNamed, referencesIn } from "./references";

/** Of a circle. */
const MOST_NAMED = 10;

/** Adds what is wrong with names and with who needs whom. */
export function checkDocuments(documents: readonly MergeDocument[], problems: Problem[]): void {
  const error = (code: string, at: Problem["at"], message: string): void => void problems.push({ severity: "error", code, message, at });
  const names = new Map<string, MergeDocument>();
  let unnamed: MergeDocument | undefined;
  for (const document of documents) {
    const { name, at } = document;
    if (name === null) {
      if (unnamed !== undefined) error("several-unnamed", { ...at, endLine: at.line, endColumn: at.column + 1 }, `two documents have no name, this one and that on line ${unnamed.at.line}; only the one that is written may have none`);
      unnamed ??= document;
      continue;
    }
    const before = names.get(name.value);
    if (before !== undefined) error("duplicate-name", name.at, `two documents are called ${quote(name.value)}, this one and that on line ${before.name!.at.line}; each name stands for one`);
    else names.set(name.value, document);
    if (/^[~/]|\\|\0/.test(name.value) || name.value.split("/").some((part) => part === "" || part === "." || part === "..")) error("document-name", name.at, `${quote(name.value)} cannot be the name of a document: its result may be written to a folder of that name within the output`);
  }
  for (const cycle of cycles(documents)) {
    const circle = cycle.map(({ document }) => document.name!.value);
    const names = circle.length > MOST_NAMED ? [...circle.slice(0, MOST_NAMED), "others"] : circle;
    for (const { reference } of cycle.slice(0, MOST_NAMED)) error("cycle", reference.at, circle.length === 1 ? `the document ${circle[0]} needs itself` : `the documents ${listed(names)} need each other; one of them must do without`);
  }
}

interface Edge {
  document: MergeDocument;
  reference: Located<ModelReference>;
}

/** Circles of documents that need each other, each once. */
function cycles(documents: readonly MergeDocument[]): Edge[][] {
  const found: Edge[][] = [];
  const state = new Map<MergeDocument, "open" | "done">();
  const path: Edge[] = [];
  const needs = new Map(documents.map((document) => [document, referencesIn(document).flatMap((reference) => documentNamed(documents, reference.value) ?? []).length > 0 ? referencesIn(document) : []] as const));
  for (const root of documents) {
    if (state.has(root)) continue;
    // An explicit stack: a chain may be a thousand documents long.
    const stack: { document: MergeDocument; next: number }[] = [{ document: root, next: 0 }];
    state.set(root, "open");
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const reference = needs.get(top.document)![top.next++];
      if (reference === undefined) {
        state.set(top.document, "done");
        stack.pop();
        path.pop();
        continue;
      }
      const needed = documentNamed(documents, reference.value);
      if (needed === undefined || state.get(needed) === "done") continue;
      path[stack.length - 1] = { document: top.document, reference };
      if (state.get(needed) === "open") {
        const start = stack.findIndex(({ document }) => document === needed);
        found.push(path.slice(start, stack.length));
      } else {
        state.set(needed, "open");
        stack.push({ document: needed, next: 0 });
      }
    }
  }
  return found;
}
