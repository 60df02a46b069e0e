/**
 * Reads pickles of protocols 0 to 5 into records. An opcode reader, not an unpickler: globals stay names and calls stay
 * descriptions of calls. Opcodes as documented in CPython's `pickletools`.
 */
import { CheckpointError } from "./checkpoint";
import { binaryInteger, floatLine, integerLine, stringLine, unicodeLine } from "./pickle-literals";
import { PickleMachine } from "./pickle-machine";
import { PickleBytes, PickleDict, PickleList, PicklePersistent, PickleSet, PickleTuple, type PickleValue } from "./pickle-values";
import { grouped, quote } from "./quote";

export interface PickleOptions {
  /** For messages. */
  file: string;
  /** What the bytes are, for messages: `"data.pkl"`. */
  what: string;
  /** Offset in the file of the first byte, where they lie there uncompressed. */
  base?: number;
  /** The name of a global, module and name joined by a dot. */
  globalName(module: string, name: string, protocol: number): string;
  /** What a persistent id stands for; by default a record of it. */
  persistent?(id: PickleValue): PickleValue;
}

/** `called`: unpickling would call it or set its state; else it is only mentioned. */
export type GlobalUse = "called" | "mentioned";

export interface Unpickled {
  value: PickleValue;
  /** Bytes up to and with the STOP opcode. */
  length: number;
  globals: Map<string, GlobalUse>;
}

/**
 * Reads one pickle; bytes after it are not looked at.
 * @throws CheckpointError `"truncated"` when the bytes end before it does.
 */
export function readPickle(bytes: Uint8Array, options: PickleOptions): Unpickled {
  return new PickleReader(bytes, options).read();
}

const EMPTY_TUPLE = new PickleTuple([]);

class PickleReader {
  private readonly bytes: Buffer;
  private readonly machine: PickleMachine;
  private at = 0;
  /** Where the opcode being carried out is. */
  private opcodeAt = 0;
  private protocol = 0;

  constructor(bytes: Uint8Array, private readonly options: PickleOptions) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.machine = new PickleMachine(bytes.length, (message) => this.refuse(message));
  }

  read(): Unpickled {
    const { machine } = this;
    for (;;) {
      this.opcodeAt = this.at;
      const opcode = this.byte();
      if (opcode === 0x2e) return { value: machine.pop(), length: this.at, globals: machine.globals };
      this.step(opcode);
    }
  }

  private step(opcode: number): void {
    const { machine } = this;
    switch (opcode) {
      case 0x28: return machine.mark();
      case 0x30: return void machine.discard();
      case 0x31: return void machine.popMark();
      case 0x32: return machine.push(machine.peek());
      case 0x80: return this.setProtocol(this.byte());
      case 0x95: return this.frame();
      // Memo.
      case 0x67: return machine.get(this.memoLine());
      case 0x68: return machine.get(this.byte());
      case 0x6a: return machine.get(this.unsigned32());
      case 0x70: return machine.put(this.memoLine());
      case 0x71: return machine.put(this.byte());
      case 0x72: return machine.put(this.unsigned32());
      case 0x94: return machine.memoize();
      // Containers.
      case 0x29: return machine.push(EMPTY_TUPLE);
      case 0x74: return machine.make(new PickleTuple(machine.popMark()));
      case 0x85: return machine.tuple(1);
      case 0x86: return machine.tuple(2);
      case 0x87: return machine.tuple(3);
      case 0x5d: return machine.make(new PickleList());
      case 0x6c: return machine.list();
      case 0x61: return machine.append([machine.pop()]);
      case 0x65: return machine.append(machine.popMark());
      case 0x7d: return machine.make(new PickleDict());
      case 0x64: return machine.dict();
      case 0x73: return machine.setItems(machine.popMany(2));
      case 0x75: return machine.setItems(machine.popMark());
      case 0x8f: return machine.make(new PickleSet());
      case 0x90: return machine.addItems(machine.popMark());
      case 0x91: return machine.make(new PickleSet(machine.popMark()));
      // Globals and calls.
      case 0x63: return machine.global(this.globalName(this.line(), this.line()));
      case 0x93: return this.stackGlobal();
      case 0x69: return machine.instance(this.globalName(this.line(), this.line()));
      case 0x6f: return machine.object();
      case 0x52:
      case 0x81: return machine.call();
      case 0x92: return machine.callWithKeywords();
      case 0x62: return machine.build();
      case 0x50: return this.persistent(this.line());
      case 0x51: return this.persistent(machine.pop());
      case 0x82:
      case 0x83:
      case 0x84: return this.refuse("uses an extension code, which means nothing outside the program that wrote it");
      case 0x97:
      case 0x98: return this.refuse("takes a buffer from outside the pickle, which a file cannot hold");
      default: return machine.push(this.scalar(opcode));
    }
  }

  private scalar(opcode: number): PickleValue {
    switch (opcode) {
      case 0x4e: return null;
      case 0x88: return true;
      case 0x89: return false;
      case 0x4a: return this.take(4).readInt32LE();
      case 0x4b: return this.byte();
      case 0x4d: return this.take(2).readUInt16LE();
      case 0x47: return this.take(8).readDoubleBE();
      case 0x49:
      case 0x4c: return this.understood(integerLine(this.line()));
      case 0x46: return this.understood(floatLine(this.line()));
      case 0x8a: return this.understood(binaryInteger(this.take(this.byte())));
      case 0x8b: return this.understood(binaryInteger(this.take(this.length32())));
      case 0x53: return this.understood(stringLine(this.line()));
      case 0x56: return unicodeLine(this.line());
      case 0x54: return this.text(this.length32());
      case 0x55:
      case 0x8c: return this.text(this.byte());
      case 0x58: return this.text(this.unsigned32());
      case 0x8d: return this.text(this.unsigned64());
      case 0x43: return this.binary(this.byte());
      case 0x42: return this.binary(this.unsigned32());
      case 0x8e:
      case 0x96: return this.binary(this.unsigned64());
      default: return this.refuse(`has the byte 0x${opcode.toString(16).padStart(2, "0")}, which is no opcode`);
    }
  }

  private setProtocol(protocol: number): void {
    if (protocol > 5) this.refuse(`is of protocol ${protocol}; protocols 0 to 5 are known`);
    this.protocol = protocol;
  }

  /** A frame only says how much to read at once. */
  private frame(): void {
    const length = this.unsigned64();
    if (length > this.bytes.length - this.at) this.ended(length);
  }

  private stackGlobal(): void {
    const [module, name] = this.machine.popMany(2);
    if (typeof module !== "string" || typeof name !== "string") this.refuse("names a global by something other than text");
    this.machine.global(this.globalName(module, name));
  }

  private globalName(module: string, name: string): string {
    return this.options.globalName(module, name, this.protocol);
  }

  private persistent(id: PickleValue): void {
    this.machine.push(this.options.persistent?.(id) ?? this.machine.counted(new PicklePersistent(id)));
  }

  private binary(length: number): PickleValue {
    return this.machine.counted(new PickleBytes(this.take(length)));
  }

  private text(length: number): string {
    return this.take(length).toString("utf8");
  }

  private byte(): number {
    return this.bytes[this.at++] ?? this.ended(1);
  }

  private take(length: number): Buffer {
    if (length > this.bytes.length - this.at) this.ended(length);
    return this.bytes.subarray(this.at, (this.at += length));
  }

  private unsigned32(): number {
    return this.take(4).readUInt32LE();
  }

  /** A signed length, as `BINSTRING` and `LONG4` have. */
  private length32(): number {
    const length = this.take(4).readInt32LE();
    return length < 0 ? this.refuse("says a negative length") : length;
  }

  private unsigned64(): number {
    const length = this.take(8).readBigUInt64LE();
    // No file is longer; exact below.
    return length > BigInt(Number.MAX_SAFE_INTEGER) ? this.refuse(`says a length of ${grouped(length)} bytes`) : Number(length);
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) this.ended(this.bytes.length - this.at + 1);
    return this.bytes.toString("utf8", this.at, (this.at = end + 1) - 1);
  }

  private memoLine(): number {
    const line = this.line();
    return /^\d{1,10}$/.test(line) ? Number(line) : this.refuse(`has ${quote(line)} for a place in the memo`);
  }

  private understood<T>(value: T | null): T {
    return value ?? this.refuse("has a value that cannot be read, or an integer of more than 4,300 digits");
  }

  private ended(needed: number): never {
    const { what, file, base } = this.options;
    const message = `${what} ends in the middle of its pickle: the opcode at ${this.where()} needs ${grouped(needed)} more bytes than are there`;
    throw new CheckpointError("truncated", message, file, base === undefined ? {} : { offset: base + this.bytes.length });
  }

  private refuse(message: string): never {
    const { what, file, base } = this.options;
    throw new CheckpointError("malformed", `${what} ${message} (opcode at ${this.where()})`, file, base === undefined ? {} : { offset: base + this.opcodeAt });
  }

  private where(): string {
    return `byte ${grouped(this.opcodeAt)} of it`;
  }
}
