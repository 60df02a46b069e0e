/** What a pickle describes, as records: nothing in it is ever imported, called or instantiated. */

/** Integers beyond 2^53 are bigints; int and float are both numbers. */
export type PickleValue =
  | null | boolean | number | bigint | string
  | PickleBytes | PickleList | PickleTuple | PickleSet | PickleDict | PickleGlobal | PickleCall | PicklePersistent;

export class PickleBytes {
  constructor(readonly bytes: Uint8Array) {}
}

/** What containers hold before anything is put into them: most stay small, and there may be millions. */
const NOTHING: readonly PickleValue[] = [];

export class PickleList {
  private held: PickleValue[] | undefined;

  get items(): readonly PickleValue[] {
    return this.held ?? NOTHING;
  }

  append(items: readonly PickleValue[]): void {
    this.held = appended(this.held, items);
  }
}

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** A set or a frozenset. */
export class PickleSet {
  constructor(private held?: PickleValue[]) {}

  get items(): readonly PickleValue[] {
    return this.held ?? NOTHING;
  }

  append(items: readonly PickleValue[]): void {
    this.held = appended(this.held, items);
  }
}

export class PickleDict {
  private heldKeys: PickleValue[] | undefined;
  private heldValues: PickleValue[] | undefined;

  /** In the order of insertion; a key may come again, and then the later value counts. */
  get keys(): readonly PickleValue[] {
    return this.heldKeys ?? NOTHING;
  }

  get values(): readonly PickleValue[] {
    return this.heldValues ?? NOTHING;
  }

  /** @param items key, value, key, value … */
  setItems(items: readonly PickleValue[]): void {
    this.heldKeys = appended(this.heldKeys, items.filter((_, i) => i % 2 === 0));
    this.heldValues = appended(this.heldValues, items.filter((_, i) => i % 2 === 1));
  }
}

/** Arrays that grow by one at a time keep room for more; the first items are most often all of them. */
function appended(held: PickleValue[] | undefined, items: readonly PickleValue[]): PickleValue[] {
  if (held === undefined) return items.slice();
  for (const item of items) held.push(item);
  return held;
}

/** A class or function, by its name. */
export class PickleGlobal {
  /** @param name module and name joined by a dot, in Python 3's spelling. */
  constructor(readonly name: string) {}
}

/** What unpickling would have made by a call: of a function, or of a class. */
export class PickleCall {
  /** `BUILD`'s argument. */
  state: PickleValue | undefined;
  private list: PickleList | undefined;
  private dict: PickleDict | undefined;

  constructor(readonly callee: PickleValue, readonly args: readonly PickleValue[]) {}

  /** What was appended to it, when it is a list's subclass. */
  get items(): readonly PickleValue[] {
    return this.list?.items ?? NOTHING;
  }

  /** What was set in it, when it is a dict's subclass. */
  get entries(): PickleDict | undefined {
    return this.dict;
  }

  append(items: readonly PickleValue[]): void {
    (this.list ??= new PickleList()).append(items);
  }

  setItems(items: readonly PickleValue[]): void {
    (this.dict ??= new PickleDict()).setItems(items);
  }
}

/** A reference to something outside the pickle. */
export class PicklePersistent {
  constructor(readonly id: PickleValue) {}
}

/** The name of what `call` calls; undefined when that is itself the result of a call. */
export function calleeOf(call: PickleCall): string | undefined {
  return call.callee instanceof PickleGlobal ? call.callee.name : undefined;
}
