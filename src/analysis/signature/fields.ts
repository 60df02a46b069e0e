/** Reading JSON of a file's metadata field by field: every value is of its kind and in its range, or the file is refused. */
import { CheckpointError } from "../../checkpoint/checkpoint";
import { quote } from "../../checkpoint/quote";

const HASH = /^[0-9a-f]{64}$/;

export class Fields {
  private constructor(
    private readonly value: Readonly<Record<string, unknown>>,
    /** For messages: what the object is. */
    private readonly what: string,
    private readonly file: string,
  ) {}

  /** @throws CheckpointError when `text` is no JSON object. */
  static parse(text: string, what: string, file: string): Fields {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new CheckpointError("malformed", `${what} is not valid JSON`, file);
    }
    return Fields.of(value, what, file);
  }

  private static of(value: unknown, what: string, file: string): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new CheckpointError("malformed", `${what} is not an object`, file);
    return new Fields(value as Record<string, unknown>, what, file);
  }

  keys(): string[] {
    return Object.keys(this.value);
  }

  /** Whether the field is null or missing. */
  isNull(key: string): boolean {
    return (this.get(key) ?? null) === null;
  }

  object(key: string): Fields {
    return Fields.of(this.get(key), this.named(key), this.file);
  }

  objects(key: string): Fields[] {
    return this.array(key).map((entry, i) => Fields.of(entry, `${this.named(key)}[${i}]`, this.file));
  }

  string(key: string): string {
    return this.take(key, (value) => typeof value === "string", "a text") as string;
  }

  strings(key: string): string[] {
    const values = this.array(key);
    if (!values.every((value) => typeof value === "string")) this.refuse(key, "a list of texts");
    return values;
  }

  boolean(key: string): boolean {
    return this.take(key, (value) => typeof value === "boolean", "true or false") as boolean;
  }

  /** A finite number. */
  number(key: string): number {
    return this.take(key, (value) => typeof value === "number" && Number.isFinite(value), "a finite number") as number;
  }

  integer(key: string, least: number, most: number): number {
    const range = most === Number.MAX_SAFE_INTEGER ? `an integer from ${least} on` : `an integer from ${least} to ${most}`;
    return this.take(key, (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most, range) as number;
  }

  /** 256 bits in lower-case hexadecimal. */
  hash(key: string): string {
    return this.take(key, (value) => typeof value === "string" && HASH.test(value), "a hash of 64 hexadecimal digits") as string;
  }

  oneOf<T extends string>(key: string, values: readonly T[]): T {
    return this.take(key, (value) => values.includes(value as T), `one of ${values.join(", ")}`) as T;
  }

  /** @throws CheckpointError that says of the object what is wrong with it. */
  fail(reason: string): never {
    throw new CheckpointError("malformed", `${this.what} ${reason}`, this.file);
  }

  private array(key: string): unknown[] {
    return this.take(key, Array.isArray, "a list") as unknown[];
  }

  private take(key: string, is: (value: unknown) => boolean, kind: string): unknown {
    const value = this.get(key);
    return is(value) ? value : this.refuse(key, kind);
  }

  private refuse(key: string, kind: string): never {
    throw new CheckpointError("malformed", `${this.named(key)} is not ${kind}`, this.file);
  }

  private get(key: string): unknown {
    return Object.hasOwn(this.value, key) ? this.value[key] : undefined;
  }

  private named(key: string): string {
    return `${quote(key)} of ${this.what}`;
  }
}
