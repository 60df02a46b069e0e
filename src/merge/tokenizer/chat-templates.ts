/** Chat templates that a recipe may name, written from the public formats of the models that brought them; rendered by Jinja in transformers. */

export interface KnownTemplate {
  text: string;
  /** What it writes that should be tokens of the vocabulary. */
  tokens: readonly string[];
}

/** https://github.com/tatsu-lab/stanford_alpaca: an instruction, an input to it where there is one, and a response under headings of their own. */
const alpaca = lines(
  "{%- for message in messages -%}",
  "{%- if message['role'] == 'system' -%}",
  "{{ message['content'] + '\\n\\n' }}",
  "{%- elif message['role'] == 'assistant' -%}",
  "{{ '### Response:\\n' + message['content'] + eos_token + '\\n\\n' }}",
  "{%- elif message['role'] in ['input', 'tool'] -%}",
  "{{ '### Input:\\n' + message['content'] + '\\n\\n' }}",
  "{%- else -%}",
  "{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}",
  "{%- endif -%}",
  "{%- endfor -%}",
  "{%- if add_generation_prompt -%}",
  "{{ '### Response:\\n' }}",
  "{%- endif -%}",
);

/** https://github.com/openai/openai-python/blob/release-v0.28.0/chatml.md: every message between a start with its role and an end. */
const chatml = lines(
  "{%- for message in messages -%}",
  "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}",
  "{%- endfor -%}",
  "{%- if add_generation_prompt -%}",
  "{{ '<|im_start|>assistant\\n' }}",
  "{%- endif -%}",
);

/** EXAONE 3 (arXiv 2408.03541): a system message always, turns of the system and the assistant closed. */
const exaone = lines(
  "{%- if not messages or messages[0]['role'] != 'system' -%}",
  "{{ '[|system|][|endofturn|]\\n' }}",
  "{%- endif -%}",
  "{%- for message in messages -%}",
  "{%- if message['role'] == 'user' -%}",
  "{{ '[|user|]' + message['content'] + '\\n' }}",
  "{%- elif message['role'] == 'assistant' -%}",
  "{{ '[|assistant|]' + message['content'] + '[|endofturn|]\\n' }}",
  "{%- else -%}",
  "{{ '[|' + message['role'] + '|]' + message['content'] + '[|endofturn|]\\n' }}",
  "{%- endif -%}",
  "{%- endfor -%}",
  "{%- if add_generation_prompt -%}",
  "{{ '[|assistant|]' }}",
  "{%- endif -%}",
);

/** https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3/: a header with the role, an end of turn. */
const llama3 = lines(
  "{{ bos_token }}",
  "{%- for message in messages -%}",
  "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}",
  "{%- endfor -%}",
  "{%- if add_generation_prompt -%}",
  "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}",
  "{%- endif -%}",
);

/** https://docs.mistral.ai/cookbooks/concept-deep-dive-tokenization-chat_templates: instructions in brackets; a system message opens the first. */
const mistral = lines(
  "{{ bos_token }}",
  "{%- set system = namespace(text='') -%}",
  "{%- for message in messages -%}",
  "{%- if message['role'] == 'system' -%}",
  "{%- set system.text = message['content'] + '\\n\\n' -%}",
  "{%- elif message['role'] == 'assistant' -%}",
  "{{ ' ' + message['content'] | trim + eos_token }}",
  "{%- elif message['role'] == 'user' -%}",
  "{{ '[INST] ' + system.text + message['content'] + ' [/INST]' }}",
  "{%- set system.text = '' -%}",
  "{%- else -%}",
  "{{ raise_exception('This format has no place for messages of the role ' + message['role'] + '.') }}",
  "{%- endif -%}",
  "{%- endfor -%}",
);

export const CHAT_TEMPLATES: ReadonlyMap<string, KnownTemplate> = new Map([
  ["alpaca", { text: alpaca, tokens: [] }],
  ["chatml", { text: chatml, tokens: ["<|im_start|>", "<|im_end|>"] }],
  ["exaone", { text: exaone, tokens: ["[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"] }],
  ["llama3", { text: llama3, tokens: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"] }],
  ["mistral", { text: mistral, tokens: [] }],
]);

function lines(...parts: string[]): string {
  return parts.join("\n");
}
