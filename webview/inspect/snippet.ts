/** Python that loads what is on screen. */

/** `text` as a Python string literal, in ASCII: safe to paste whatever a file's author put into a name. */
export function pythonString(text: string): string {
  let literal = '"';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (character === '"' || character === "\\") literal += `\\${character}`;
    else if (code >= 0x20 && code < 0x7f) literal += character;
    else if (code < 0x100) literal += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (code < 0x10000) literal += `\\u${code.toString(16).padStart(4, "0")}`;
    else literal += `\\U${code.toString(16).padStart(8, "0")}`;
  }
  return `${literal}"`;
}

/** Loads tensors of one safetensors file as PyTorch tensors, reading only their bytes. */
export function loadSnippet(path: string, names: readonly string[]): string {
  const open = `from safetensors import safe_open\n\nwith safe_open(${pythonString(path)}, framework="pt") as f:\n`;
  if (names.length === 1) return `${open}    tensor = f.get_tensor(${pythonString(names[0]!)})\n`;
  const list = names.map((name) => `        ${pythonString(name)},\n`).join("");
  return `${open}    tensors = {name: f.get_tensor(name) for name in [\n${list}    ]}\n`;
}
