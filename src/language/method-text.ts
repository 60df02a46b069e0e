/** Methods and parameters as markdown, for hovers and completion. */
import type { MergeMethodEntry, MethodParameter } from "../merge/methods/method";

export function methodMarkdown(method: MergeMethodEntry): string {
  const { name, summary, formula, source, link, models, base, parameters } = method;
  const count = models.max === null ? `${models.min} or more models` : models.min === models.max ? `${models.min === 1 ? "one model" : `${models.min} models`}` : `${models.min} to ${models.max} models`;
  const rows = parameters.map(({ name, scope, default: value, required, range, meaning }) => `| \`${name}\` | ${scope === "model" ? "each model" : "the merge"} | ${required ? "*required*" : value === null ? "–" : shown(value)} | ${range === undefined ? "" : `${range[0]} … ${range[1]}`} | ${meaning} |`);
  return [
    `**${name}**: ${summary}`,
    `\`\`\`text\n${formula.split(/;\s+/).join("\n")}\n\`\`\``,
    `${count}${base === "unused" ? " (a base_model is one more of them)" : base === "required" ? " beside the base" : ", with or without a base"}${method.random ? "; random, repeatable by `seed`" : ""}.`,
    ...(rows.length === 0 ? [] : [`| parameter | of | default | range | |\n| --- | --- | --- | --- | --- |\n${rows.join("\n")}`]),
    `[${source}](${link})`,
  ].join("\n\n");
}

export function parameterMarkdown(method: MergeMethodEntry, { name, type, scope, default: value, required, range, meaning }: MethodParameter): string {
  const facts = [type, scope === "model" ? "of each model" : "of the merge, a slice or a module", required ? "required" : value === null ? "optional" : `default ${shown(value)}`, ...(range === undefined ? [] : [`${range[0]} … ${range[1]}`])];
  return `**${name}** (${method.name}): ${meaning}.\n\n${facts.join(" · ")}`;
}

function shown(value: unknown): string {
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "–";
}
