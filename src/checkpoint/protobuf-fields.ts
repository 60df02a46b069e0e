/**
 * The fields of protobuf messages in a file of any size: where each lies, without reading what is long. Specification:
 * https://protobuf.dev/programming-guides/encoding. Libraries decode whole messages from memory; a model's weights are most
 * of its message.
 */
import { CheckpointError } from "./checkpoint";
import { grouped } from "./quote";
import type { WindowedReader } from "./windowed";

export const VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5;

export interface Field {
  number: number;
  wire: typeof VARINT | typeof FIXED64 | typeof LENGTH | typeof FIXED32;
  /** The value's bytes, half-open, counted from the file's start; of a length-delimited one without the length. */
  start: number;
  end: number;
  /** Of a varint, unsigned. */
  value: bigint;
}

const MAX_VARINT = 10;

/** A budget of fields for one file: what is small must not take long. */
export interface FieldBudget {
  left: number;
}

export class MessageReader {
  constructor(private readonly window: WindowedReader, readonly file: string, private readonly budget: FieldBudget) {}

  /**
   * Calls `take` for each field of the message at [start, end).
   * @throws CheckpointError `"malformed"` when the bytes are no message.
   */
  async fields(start: number, end: number, take: (field: Field) => Promise<void> | void): Promise<void> {
    for (let at = start; at < end; ) {
      if (--this.budget.left < 0) this.fail("the file has more fields than can be read", at);
      const bytes = this.window.held(at, 2 * MAX_VARINT) ?? (await this.window.at(at, 2 * MAX_VARINT));
      const tag = this.varint(bytes, 0, at);
      const number = Number(tag.value >> 3n);
      const wire = Number(tag.value & 7n);
      const value = at + tag.length;
      if (number < 1 || number > 0x1fffffff) this.fail(`the field at byte ${grouped(at)} has number ${number}`, at);
      const field = this.field(number, wire, bytes, tag.length, value);
      if (field.end > end) this.fail(`the field ${number} at byte ${grouped(at)} reaches to byte ${grouped(field.end)}, beyond the end of its message at byte ${grouped(end)}`, at);
      const taken = take(field);
      if (taken !== undefined) await taken;
      at = field.end;
    }
  }

  /** The bytes of a length-delimited field, no more than `most` of them. */
  async bytes({ start, end }: Field, most: number): Promise<Uint8Array> {
    if (end - start > most) this.fail(`the field at byte ${grouped(start)} has ${grouped(end - start)} bytes, more than the limit of ${grouped(most)}`, start);
    return this.window.held(start, end - start) ?? (await this.window.at(start, end - start));
  }

  async text(field: Field, most: number): Promise<string> {
    return Buffer.from(await this.bytes(field, most)).toString("utf8");
  }

  /** The varints of a packed field, or the one of an unpacked. */
  async packed(field: Field, most: number): Promise<bigint[]> {
    if (field.wire === VARINT) return [field.value];
    const bytes = await this.bytes(field, most);
    const values: bigint[] = [];
    for (let at = 0; at < bytes.length; ) {
      const { value, length } = this.varint(bytes, at, field.start + at);
      values.push(value);
      at += length;
    }
    return values;
  }

  fail(message: string, offset: number): never {
    throw new CheckpointError("malformed", `${message}; the file is damaged or no protobuf message`, this.file, { offset });
  }

  private field(number: number, wire: number, bytes: Uint8Array, tagLength: number, start: number): Field {
    switch (wire) {
      case VARINT: {
        const { value, length } = this.varint(bytes, tagLength, start);
        return { number, wire, start, end: start + length, value };
      }
      case FIXED64:
        return { number, wire, start, end: start + 8, value: 0n };
      case FIXED32:
        return { number, wire, start, end: start + 4, value: 0n };
      case LENGTH: {
        const { value, length } = this.varint(bytes, tagLength, start);
        if (value > BigInt(Number.MAX_SAFE_INTEGER) / 2n) this.fail(`the field ${number} at byte ${grouped(start)} says it has ${grouped(value)} bytes`, start);
        return { number, wire, start: start + length, end: start + length + Number(value), value: 0n };
      }
      default:
        return this.fail(`the field ${number} before byte ${grouped(start)} has wire type ${wire}`, start);
    }
  }

  private varint(bytes: Uint8Array, at: number, offset: number): { value: bigint; length: number } {
    return readVarint(bytes, at) ?? this.fail(`the number at byte ${grouped(offset)} does not end`, offset);
  }
}

/** The varint at index `at` as an unsigned 64-bit number; undefined when it does not end within ten bytes. */
export function readVarint(bytes: Uint8Array, at: number): { value: bigint; length: number } | undefined {
  let low = 0;
  for (let length = 1, scale = 1; length <= 7; length++, scale *= 128) {
    const byte = bytes[at + length - 1];
    if (byte === undefined) return undefined;
    low += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value: BigInt(low), length };
  }
  let value = BigInt(low);
  for (let length = 8, shift = 49n; length <= MAX_VARINT; length++, shift += 7n) {
    const byte = bytes[at + length - 1];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), length };
  }
  return undefined;
}
