/** `weight-loupe methods`: the merge methods, their formulas and parameters. */
import { describeMethod, methodNamed, METHODS } from "../merge/methods/registry";
import { nearest } from "../merge/recipe/nearest";
import type { Method } from "../protocol/results";
import { UsageError } from "./arguments";
import type { Command } from "./command";
import { Exit } from "./failure";
import { table, type Column } from "./table";
import { styleFor, type Style } from "./terminal";

export const methods: Command = {
  name: "methods",
  operands: "[NAME]",
  summary: "the merge methods: formulas, parameters, how many models",
  options: {},
  about: () => undefined,
  async run({ operands }, { json, write }) {
    const [name, ...more] = operands;
    if (more.length > 0) throw new UsageError(`methods takes one name; what is ${JSON.stringify(more[0])}?`);
    if (name === undefined) {
      const all = METHODS.map(describeMethod);
      await write(json ? `${JSON.stringify(all)}\n` : overview(all, styleFor(process.stdout)));
      return Exit.done;
    }
    const entry = methodNamed(name);
    if (entry === undefined) {
      const names = METHODS.map((method) => method.name);
      const meant = nearest(name, names);
      throw new UsageError(`no merge method is called ${JSON.stringify(name)}${meant === undefined ? `; there are ${names.join(", ")}` : `; do you mean ${meant}?`}`);
    }
    const method = describeMethod(entry);
    await write(json ? `${JSON.stringify(method)}\n` : page(method, entry.link, styleFor(process.stdout)));
    return Exit.done;
  },
};

const OVERVIEW: Column[] = ["method", "models", "base", "summary"].map((title) => ({ title, align: "left" }));
const PARAMETERS: Column[] = ["parameter", "type", "of", "default", "range", "meaning"].map((title) => ({ title, align: "left" }));

function overview(all: readonly Method[], style: Style): string {
  return `${table(OVERVIEW, all.map((method) => [method.name, count(method), method.base, method.summary]), style.faint).join("\n")}\n`;
}

function page(method: Method, link: string, style: Style): string {
  const blocks = [
    [`${style.bold(method.name)}  ${method.summary}`],
    [`  ${method.formula}`],
    [`  models  ${count(method)}${method.base === "unused" ? "; a base_model is one more of them" : `, base ${method.base}`}`, `  random  ${method.random ? "yes: seed makes it repeatable" : "no"}`, `  source  ${method.source}, ${link}`],
    table(PARAMETERS, method.parameters.map(({ name, type, scope, default: value, range, meaning }) => [name, type, scope === "model" ? "each model" : "the merge", typeof value === "number" || typeof value === "boolean" ? String(value) : "–", range === undefined ? "" : `${range[0]} … ${range[1]}`, meaning]), style.faint),
  ];
  return `${blocks.filter((block) => block.length > 0).map((block) => block.join("\n")).join("\n\n")}\n`;
}

function count({ models: { min, max } }: Method): string {
  return max === null ? `${min} or more` : min === max ? `${min}` : `${min} to ${max}`;
}
