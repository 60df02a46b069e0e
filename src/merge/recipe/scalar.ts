/** What a plain scalar is to PyYAML, whose YAML 1.1 recipes are written for: `yes` is true, `1e0` a string, `1e+0` no number either. */

export type Plain = string | number | boolean | null;

const NULL = /^(?:~|null|Null|NULL|)$/;
const TRUE = /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const INTEGER = /^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$/;
const FLOAT = /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|[-+]?\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)$/;
const SPECIAL = /^([-+]?)\.(inf|Inf|INF|nan|NaN|NAN)$/;

/** The value of an unquoted scalar. */
export function plainValue(source: string): Plain {
  if (NULL.test(source)) return null;
  if (TRUE.test(source)) return true;
  if (FALSE.test(source)) return false;
  if (INTEGER.test(source)) return integer(source);
  if (FLOAT.test(source)) return Number(source.replaceAll("_", ""));
  const special = SPECIAL.exec(source);
  if (special === null) return source;
  return special[2]!.toLowerCase() === "nan" ? NaN : special[1] === "-" ? -Infinity : Infinity;
}

function integer(source: string): number {
  const sign = source.startsWith("-") ? -1 : 1;
  const digits = source.replace(/^[-+]/, "").replaceAll("_", "");
  if (/^0[0-7]+$/.test(digits)) return sign * parseInt(digits, 8);
  return sign * Number(digits);
}

/** Text as Python's float() reads it; undefined when it is no number. */
export function numberFromText(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase();
  if (/^[-+]?(?:inf|infinity)$/.test(trimmed)) return trimmed.startsWith("-") ? -Infinity : Infinity;
  if (/^[-+]?nan$/.test(trimmed)) return NaN;
  return /^[-+]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[-+]?\d+)?$/.test(trimmed) ? Number(trimmed.replaceAll("_", "")) : undefined;
}

/** Truth values as pydantic takes them; undefined for what is none. */
export function truthOf(value: string | number | boolean): boolean | undefined {
  if (typeof value === "boolean") return value;
  const word = String(value).toLowerCase();
  if (["1", "true", "t", "yes", "y", "on"].includes(word)) return true;
  if (["0", "-0", "false", "f", "no", "n", "off"].includes(word)) return false;
  return undefined;
}
