/** The stack machine that pickles are programs for, with records for results and bounds on how many it makes. */
import type { GlobalUse } from "./pickle";
import { grouped } from "./quote";
import { PickleCall, PickleDict, PickleGlobal, PickleList, PickleSet, PickleTuple, type PickleValue } from "./pickle-values";

/** Objects, and memo entries out of sequence. The pickle of half a million tensors makes 3 million. */
const MAX_OBJECTS = 4_000_000;

/** Of small pickles: what writers make takes more bytes than this for each object beyond the first half million. */
const FREE_OBJECTS = 500_000;
const BYTES_PER_OBJECT = 8;

/** Containers being filled in each other. */
const MAX_MARKS = 100_000;

/** Memo entries out of sequence. */
const MAX_SPARSE = 500_000;

/** Values in containers and in the memo, and those on the stack at one time. */
const MAX_CELLS = 10_000_000;
const MAX_STACK = 4_000_000;

/** torch's way to rebuild a tensor of a subclass: `(function, type, arguments, state)`. */
const REBUILD_FROM_TYPE = /^torch\._tensor\._rebuild_from_type(?:_v2)?$/;

export class PickleMachine {
  readonly globals = new Map<string, GlobalUse>();
  private stack: PickleValue[] = [];
  private readonly marks: PickleValue[][] = [];
  /** Writers number memo entries in sequence; other places go into the map. */
  private readonly memo: PickleValue[] = [];
  private readonly sparseMemo = new Map<number, PickleValue>();
  private objects = 0;
  private cells = 0;

  private readonly maxObjects: number;

  /**
   * @param bytes of the pickle at most.
   * @param refuse throws, naming the place; the message goes on from what the pickle is called.
   */
  constructor(bytes: number, private readonly refuse: (message: string) => never) {
    this.maxObjects = Math.min(MAX_OBJECTS, FREE_OBJECTS + Math.floor(bytes / BYTES_PER_OBJECT));
  }

  push(value: PickleValue): void {
    // Each mark's values are a stack of their own, and marks are counted.
    if (this.stack.length === MAX_STACK) this.refuse(`puts more than ${grouped(MAX_STACK)} values on its stack`);
    this.stack.push(value);
  }

  /** Counts an object that was made. */
  counted<T extends PickleValue>(value: T): T {
    if (++this.objects > this.maxObjects) this.refuse(`describes more than ${grouped(this.maxObjects)} objects`);
    return value;
  }

  make(value: PickleValue): void {
    this.push(this.counted(value));
  }

  peek(): PickleValue {
    return this.stack.length === 0 ? this.underflow() : this.stack[this.stack.length - 1]!;
  }

  pop(): PickleValue {
    return this.stack.length === 0 ? this.underflow() : this.stack.pop()!;
  }

  /** `POP`: the last value, or a mark that nothing follows. */
  discard(): void {
    if (this.stack.length === 0 && this.marks.length > 0) this.popMark();
    else this.pop();
  }

  popMany(count: number): PickleValue[] {
    if (this.stack.length < count) this.underflow();
    return this.stack.splice(this.stack.length - count, count);
  }

  mark(): void {
    if (this.marks.length === MAX_MARKS) this.refuse(`sets more than ${grouped(MAX_MARKS)} marks in each other`);
    this.grow(this.stack.length);
    this.marks.push(this.stack);
    this.stack = [];
  }

  /** What was pushed since the last mark. */
  popMark(): PickleValue[] {
    const items = this.stack;
    this.stack = this.marks.pop() ?? this.refuse("takes values back to a mark that was never set");
    this.grow(-this.stack.length);
    return items;
  }

  tuple(length: number): void {
    this.make(new PickleTuple(this.popMany(length)));
  }

  list(): void {
    const items = this.popMark();
    this.make(new PickleList());
    this.append(items);
  }

  dict(): void {
    const items = this.popMark();
    this.make(new PickleDict());
    this.setItems(items);
  }

  append(items: readonly PickleValue[]): void {
    const target = this.peek();
    if (!(target instanceof PickleList) && !(target instanceof PickleCall)) this.refuse("appends to something that is no list");
    target.append(items);
    this.grow(items.length);
  }

  setItems(items: readonly PickleValue[]): void {
    if (items.length % 2 !== 0) this.refuse("sets a key without a value");
    const target = this.peek();
    if (!(target instanceof PickleDict) && !(target instanceof PickleCall)) this.refuse("sets a key of something that is no dict");
    target.setItems(items);
    this.grow(items.length);
  }

  addItems(items: readonly PickleValue[]): void {
    const target = this.peek();
    if (!(target instanceof PickleSet) && !(target instanceof PickleCall)) this.refuse("adds to something that is no set");
    target.append(items);
    this.grow(items.length);
  }

  global(name: string): void {
    if (!this.globals.has(name)) this.globals.set(name, "mentioned");
    this.make(new PickleGlobal(name));
  }

  /** `REDUCE` and `NEWOBJ`: what to call, and a tuple of arguments. */
  call(): void {
    const [callee, args] = this.popMany(2);
    this.called(callee!, args instanceof PickleTuple ? args.items : this.refuse("calls something with arguments that are no tuple"));
  }

  /** `NEWOBJ_EX`: also a dict of keyword arguments, which stand after the others. */
  callWithKeywords(): void {
    const [callee, args, keywords] = this.popMany(3);
    if (!(args instanceof PickleTuple) || !(keywords instanceof PickleDict)) this.refuse("calls something with arguments that are no tuple and dict");
    this.grow(args.items.length);
    this.called(callee!, keywords.keys.length === 0 ? args.items : [...args.items, keywords]);
  }

  /** `INST`: the class by name, its arguments back to the mark. */
  instance(name: string): void {
    const args = this.popMark();
    this.global(name);
    this.called(this.pop(), args);
  }

  /** `OBJ`: the class is the first value after the mark. */
  object(): void {
    const [callee, ...args] = this.popMark();
    if (callee === undefined) this.underflow();
    this.called(callee, args);
  }

  build(): void {
    const state = this.pop();
    const target = this.peek();
    if (target instanceof PickleCall) target.state = state;
    else if (target instanceof PickleGlobal) this.globals.set(target.name, "called");
    else this.refuse("sets the state of something that has none");
  }

  put(place: number): void {
    const value = this.peek();
    if (place < this.memo.length) this.memo[place] = value;
    else if (place === this.memo.length) {
      this.memo.push(value);
      this.sparseMemo.delete(place);
      this.grow(1);
    } else {
      this.sparseMemo.set(place, value);
      if (this.sparseMemo.size > MAX_SPARSE) this.refuse(`puts more than ${grouped(MAX_SPARSE)} values into its memo out of sequence`);
    }
  }

  /** `MEMOIZE`: at the place whose number is how many there are. */
  memoize(): void {
    this.put(this.memo.length + this.sparseMemo.size);
  }

  get(place: number): void {
    const value = place < this.memo.length ? this.memo[place] : this.sparseMemo.get(place);
    this.push(value === undefined ? this.refuse(`takes number ${place} from the memo, which was never put there`) : value);
  }

  private called(callee: PickleValue, args: readonly PickleValue[]): void {
    if (callee instanceof PickleGlobal) {
      this.globals.set(callee.name, "called");
      // It calls its first argument.
      const [inner] = args;
      if (inner instanceof PickleGlobal && REBUILD_FROM_TYPE.test(callee.name)) this.globals.set(inner.name, "called");
    }
    this.make(new PickleCall(callee, args));
  }

  private grow(cells: number): void {
    this.cells += cells;
    if (this.cells > MAX_CELLS) this.refuse(`holds more than ${grouped(MAX_CELLS)} values`);
  }

  private underflow(): never {
    return this.refuse("takes a value from an empty stack");
  }
}
