/** What a pickle describes, as records: nothing in it is ever imported, called or instantiated. */

/** Integers beyond 2^53 are bigints; int and float are both numbers. */
export type PickleValue =
  | null | boolean | number | bigint | string
  | PickleBytes | PickleList | PickleTuple | PickleSet | PickleDict | PickleGlobal | PickleCall | PicklePersistent;

export class PickleBytes {
  constructor(readonly bytes: Uint8Array) {}
}

export class PickleList {
  readonly items: PickleValue[] = [];

  append(item: PickleValue): void {
    this.items.push(item);
  }
}

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** A set or a frozenset. */
export class PickleSet {
  constructor(readonly items: PickleValue[] = []) {}

  append(item: PickleValue): void {
    this.items.push(item);
  }
}

export class PickleDict {
  /** In the order of insertion; a key may come again, and then the later value counts. */
  readonly keys: PickleValue[] = [];
  readonly values: PickleValue[] = [];

  setItem(key: PickleValue, value: PickleValue): void {
    this.keys.push(key);
    this.values.push(value);
  }
}

const NOTHING: readonly PickleValue[] = [];

/** A class or function, by its name. */
export class PickleGlobal {
  /** @param name module and name joined by a dot, in Python 3's spelling. */
  constructor(readonly name: string) {}
}

/** What unpickling would have made by a call: of a function, or of a class. */
export class PickleCall {
  /** `BUILD`'s argument. */
  state: PickleValue | undefined;
  private appended: PickleValue[] | undefined;
  private set: PickleDict | undefined;

  constructor(readonly callee: PickleValue, readonly args: readonly PickleValue[]) {}

  /** What was appended to it, when it is a list's subclass. */
  get items(): readonly PickleValue[] {
    return this.appended ?? NOTHING;
  }

  /** What was set in it, when it is a dict's subclass. */
  get entries(): PickleDict | undefined {
    return this.set;
  }

  append(item: PickleValue): void {
    (this.appended ??= []).push(item);
  }

  setItem(key: PickleValue, value: PickleValue): void {
    (this.set ??= new PickleDict()).setItem(key, value);
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
