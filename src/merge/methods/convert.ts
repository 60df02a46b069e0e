/** Values of recipes as the types of parameters, the way pydantic converts them: `"1e-5"` is a number, `true` is 1, `"yes"` a truth value. */
import type { Scalar } from "../recipe/recipe";
import { numberFromText, truthOf } from "../recipe/scalar";
import type { MethodParameter } from "./method";

/** Undefined where the value is none of the parameter's type. */
export function convert({ type }: Pick<MethodParameter, "type">, value: Scalar): number | boolean | undefined {
  if (type === "boolean") return truthOf(value);
  const number = typeof value === "boolean" ? Number(value) : typeof value === "string" ? numberFromText(value) : value;
  if (type === "integer" && number !== undefined && !Number.isInteger(number)) return undefined;
  return number;
}

/** What a value of the parameter is, for messages. */
export function typeInWords({ type }: Pick<MethodParameter, "type">): string {
  return { number: "a number", integer: "a whole number", boolean: "true or false" }[type];
}
