/** Where a document names models. */
import type { Body, Input, Located, MergeDocument, ModelReference } from "./recipe";

/** Sources and models of any form. */
export function inputsOf(body: Body | null): Input[] {
  switch (body?.form) {
    case undefined:
      return [];
    case "models":
      return body.inputs;
    case "slices":
      return body.slices.flatMap(({ sources }) => sources);
    case "modules":
      return body.modules.flatMap(({ body }) => inputsOf(body));
  }
}

/** All references to models, in no order: inputs, bases, the tokenizer's source. */
export function referencesIn({ body, base, tokenizer }: MergeDocument): Located<ModelReference>[] {
  const bases = slicesIn(body).flatMap(({ base }) => base ?? []);
  const source = tokenizer?.source;
  const tokens = tokenizer?.tokens.flatMap(({ source }) => (source?.value.kind === "model" ? { value: source.value.model, at: source.at } : [])) ?? [];
  const named = source !== undefined && typeof source.value === "object" ? [{ value: source.value, at: source.at }] : [];
  return [...inputsOf(body).map(({ model }) => model), ...(base === null ? [] : [base]), ...bases, ...named, ...tokens];
}

export function slicesIn(body: Body | null): Extract<Body, { form: "slices" }>["slices"] {
  if (body?.form === "slices") return body.slices;
  return body?.form === "modules" ? body.modules.flatMap(({ body }) => slicesIn(body)) : [];
}

/** The document of the recipe that the reference names; undefined when it names a model on disk. */
export function documentNamed(documents: readonly MergeDocument[], { path, revision }: ModelReference): MergeDocument | undefined {
  return revision === undefined ? documents.find(({ name }) => name?.value === path) : undefined;
}
