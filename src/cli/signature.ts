/** `weight-loupe signature`: robust weight signatures, made, added to models, taken off again and compared. */
import { UsageError, type Arguments } from "./arguments";
import type { Command, Context } from "./command";
import { applyCommand } from "./signature/apply";
import { compareCommand } from "./signature/compare";
import { extractCommand } from "./signature/extract";
import { removeCommand } from "./signature/remove";

interface Action {
  run(args: Arguments, context: Context): Promise<number>;
  options: readonly string[];
}

const ACTIONS: Readonly<Record<string, Action>> = {
  extract: { run: extractCommand, options: ["base", "clean", "robust", "layers", "tensor", "quantise", "levels", "output"] },
  apply: { run: applyCommand, options: ["signature", "alpha", "scaling", "onto-other", "no-undo", "output"] },
  remove: { run: removeCommand, options: ["signature", "original", "keep", "output"] },
  compare: { run: compareCommand, options: ["signature"] },
};

export const signature: Command = {
  name: "signature",
  operands: "extract | apply MODEL | remove PATCHED | compare S…",
  summary: "robust weight signatures: extract makes them from fine-tuned models, apply adds them to a model, remove takes them off exactly, compare relates them",
  options: {
    base: { value: "required", usage: "--base BASE", meaning: "extract: the pre-trained model that the others were fine-tuned from; without it signatures are not projected" },
    clean: { value: "required", usage: "--clean CLEAN", meaning: "extract: the model fine-tuned on clean data" },
    robust: { value: "several", usage: "--robust R…", meaning: "extract: models fine-tuned on corrupted data, one signature each" },
    layers: { value: "required", usage: "--layers N", meaning: "extract: patch the first N layers in forward order (default 7): a layer is a convolution or linear layer with its norm, a block, or all that precedes the blocks" },
    tensor: { value: "required", many: true, usage: "--tensor GLOB", meaning: "extract: patch these tensors instead: a name, a glob (*, **, ?, {a,b}) or a /regular expression/" },
    quantise: { value: "required", usage: "--quantise SCHEME", meaning: "extract: store codes, spaced as linear, log or tanh" },
    levels: { value: "required", usage: "--levels L", meaning: "extract: how many different codes (default 256, which is 8 bits)" },
    signature: { value: "several", usage: "--signature S…", meaning: "apply, remove: the signature files" },
    alpha: { value: "several", usage: "--alpha X…", meaning: "apply: what to multiply each signature by (default 1; one number goes for all)" },
    scaling: { value: "required", usage: "--scaling SCALING", meaning: "apply: linear (default), or authors: (α/n)² for n signatures, as the authors' code has it" },
    "onto-other": { value: "none", usage: "--onto-other", meaning: "apply: patch a model that is not the one the signatures were made for" },
    "no-undo": { value: "none", usage: "--no-undo", meaning: "apply: do not write OUT.undo.safetensors, from which remove restores the original" },
    original: { value: "required", usage: "--original MODEL", meaning: "remove: the model before it was patched, when there is no such file" },
    keep: { value: "several", usage: "--keep S…", meaning: "remove: files of signatures that stay, when they do not lie beside PATCHED or S" },
    output: { value: "required", short: "o", usage: "-o OUT.safetensors", meaning: "the file to write; extract with several models writes OUT-NAME.rws.safetensors for each, or into OUT when it is a folder" },
  },
  about: (args) => args.values("clean")[0] ?? args.operands[1],
  async run(args, context) {
    const [name] = args.operands;
    const action = name !== undefined && Object.hasOwn(ACTIONS, name) ? ACTIONS[name]! : undefined;
    if (action === undefined) throw new UsageError(`signature needs one of ${Object.keys(ACTIONS).join(", ")}${name === undefined ? "" : `, not ${JSON.stringify(name)}`}`);
    const stray = Object.keys(signature.options).find((option) => args.has(option) && !action.options.includes(option));
    if (stray !== undefined) throw new UsageError(`--${stray} is no option of signature ${name}; it has ${action.options.map((option) => `--${option}`).join(", ")}`);
    return action.run({ ...args, operands: args.operands.slice(1) }, context);
  },
};
