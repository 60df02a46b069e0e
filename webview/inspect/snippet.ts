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

/** Loads tensors of one file, reading only their bytes: of safetensors as PyTorch tensors, of GGUF decoded to NumPy arrays. */
export function loadSnippet(path: string, names: readonly string[]): string {
  if (/\.gguf$/i.test(path)) return ggufSnippet(path, names);
  const open = `from safetensors import safe_open\n\nwith safe_open(${pythonString(path)}, framework="pt") as f:\n`;
  if (names.length === 1) return `${open}    tensor = f.get_tensor(${pythonString(names[0]!)})\n`;
  const list = names.map((name) => `        ${pythonString(name)},\n`).join("");
  return `${open}    tensors = {name: f.get_tensor(name) for name in [\n${list}    ]}\n`;
}

function ggufSnippet(path: string, names: readonly string[]): string {
  const open = `from gguf import GGUFReader, dequantize\n\nstored = {t.name: t for t in GGUFReader(${pythonString(path)}).tensors}\n`;
  const read = (name: string): string => `dequantize(stored[${name}].data, stored[${name}].tensor_type)`;
  if (names.length === 1) return `${open}tensor = ${read(pythonString(names[0]!))}\n`;
  const list = names.map((name) => `    ${pythonString(name)},\n`).join("");
  return `${open}tensors = {name: ${read("name")} for name in [\n${list}]}\n`;
}
