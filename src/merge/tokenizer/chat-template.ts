/** The chat template that a recipe asks for. */
import type { SourceOpener } from "../../checkpoint/checkpoint";
import { quote } from "../../checkpoint/quote";
import type { VocabularyModel } from "../plan/plan";
import type { Located } from "../recipe/recipe";
import { CHAT_TEMPLATES } from "./chat-templates";
import { chatTemplateOf } from "./files";
import type { OutputVocabulary } from "./output-vocabulary";
import type { Report } from "./report";

/**
 * The template's text: of a known name, of most of the models (`auto`; of equally many the first), or as it is written. Null, with a warning,
 * when there is nothing to write.
 * @param vocabulary where the output's is known: what a known template writes should be tokens of it.
 * @param written whether tokenizer files are.
 */
export async function chatTemplate({ value, at }: Located<string>, models: readonly VocabularyModel[], vocabulary: OutputVocabulary | null, written: boolean, sources: SourceOpener, report: Report): Promise<string | null> {
  if (!written) {
    report("warning", "chat-template-unused", "the chat template is not written, as no tokenizer is: leave --no-copy-tokenizer out, or name a tokenizer_source", at);
    return null;
  }
  if (value === "auto") {
    const found = await mostFrequent(models, sources);
    if (found === null) report("warning", "chat-template-none", "no model has a chat template, so there is none for chat_template: auto to take", at);
    return found;
  }
  const known = CHAT_TEMPLATES.get(value);
  if (known === undefined) return value;
  const lacking = vocabulary === null ? [] : known.tokens.filter((token) => !vocabulary.tokens.includes(token));
  if (lacking.length > 0) {
    report("warning", "chat-template-tokens", `the chat template ${value} writes ${lacking.map(quote).join(", ")}, which the output's tokenizer splits into pieces: add ${lacking.length > 1 ? "them" : "it"} under tokenizer.tokens, or take the tokenizer of a model that has ${lacking.length > 1 ? "them" : "it"}`, at);
  }
  return known.text;
}

async function mostFrequent(models: readonly VocabularyModel[], sources: SourceOpener): Promise<string | null> {
  const counts = new Map<string, number>();
  for (const model of models) {
    const template = model.merged ? (await chatTemplateOf(model, sources))?.trim() : undefined;
    if (template !== undefined && template !== "") counts.set(template, (counts.get(template) ?? 0) + 1);
  }
  let best: string | null = null;
  for (const [template, count] of counts) if (best === null || count > counts.get(best)!) best = template;
  return best;
}
