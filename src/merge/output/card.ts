/** The model card that lies beside a merged model: what it was made of, how, and the recipe that makes it again. */
import { methodNamed } from "../methods/registry";
import type { MergePlan } from "../plan/plan";

export interface CardRequest {
  plan: Pick<MergePlan, "method" | "profile" | "inputs">;
  /** The output folder's name. */
  title: string;
  /** The recipe's text as it was given. */
  recipe: string;
}

/**
 * `README.md` with the front matter that the Hugging Face Hub reads. Its list of base models is empty: the inputs are local files, and nothing tells
 * which of them is a copy of a repository.
 */
export function modelCard({ plan: { method: name, profile, inputs }, title, recipe }: CardRequest): string {
  const method = methodNamed(name);
  const base = inputs.find((input) => input.base);
  const shown = method === undefined ? code(name) : `[${name}](${method.link})`;
  const parts = [
    "---\nbase_model: []\nlibrary_name: transformers\ntags:\n- mergekit\n- merge\n---",
    `# ${escaped(title)}`,
    "A merge of models, made by Weight Loupe from a recipe in the format of [mergekit](https://github.com/arcee-ai/mergekit).",
    "## Method",
    `${shown}${base === undefined ? "" : `, with ${code(base.label)} as its base`}${profile === "paper" ? ", computed as its paper has it" : ""}.${method === undefined ? "" : ` ${method.summary}`}`,
    "## Models",
    inputs.map(({ label, base }) => `- ${code(label)}${base ? " (base)" : ""}`).join("\n"),
    "## Recipe",
    fenced(recipe, "yaml"),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** Text that Markdown shows as it is. */
function escaped(text: string): string {
  return text.replace(/[\r\n]+/g, " ").replace(/[\\`*_{}[\]<>#|~]/g, "\\$&");
}

/** A code span, also of text with backticks in it. */
function code(text: string): string {
  const line = text.replace(/[\r\n]+/g, " ");
  const fence = "`".repeat(longestRun(line) + 1);
  const space = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return `${fence}${space}${line}${space}${fence}`;
}

/** A block of code whose fence is longer than any in the text. */
function fenced(text: string, language: string): string {
  const fence = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}${language}\n${text.replace(/\n*$/, "")}\n${fence}`;
}

function longestRun(text: string): number {
  let longest = 0;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return longest;
}
