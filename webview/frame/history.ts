/** Where the user has been: a line of visited places with back and forward, as in a browser. */
export class History<T extends object> {
  #places: T[];
  #at = 0;

  /** `same` says when two places are one, so that arriving where one already is adds nothing. */
  constructor(first: T, private readonly same: (a: T, b: T) => boolean, private readonly limit = 200) {
    this.#places = [first];
  }

  get current(): T { return this.#places[this.#at]!; }
  get canGoBack(): boolean { return this.#at > 0; }
  get canGoForward(): boolean { return this.#at + 1 < this.#places.length; }

  /** Goes to a new place; what was ahead is forgotten. */
  visit(place: T): void {
    if (this.same(place, this.current)) return;
    this.#places = [...this.#places.slice(Math.max(0, this.#at + 2 - this.limit), this.#at + 1), place];
    this.#at = this.#places.length - 1;
  }

  back(): T {
    if (this.canGoBack) this.#at--;
    return this.current;
  }

  forward(): T {
    if (this.canGoForward) this.#at++;
    return this.current;
  }

  /** Translates every place (the file was read again); places that are gone (null) drop out. */
  translate(change: (place: T) => T | null, fallback: T): void {
    const before = this.#places.slice(0, this.#at + 1).flatMap((place) => change(place) ?? []);
    const after = this.#places.slice(this.#at + 1).flatMap((place) => change(place) ?? []);
    if (before.length === 0) before.push(fallback);
    this.#places = [...before, ...after];
    this.#at = before.length - 1;
  }
}
