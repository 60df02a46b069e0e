/** A view of one growing map with an identity of its own, so that signals notice what was added without copying it. */
export class ResultMap<K, V> implements ReadonlyMap<K, V> {
  readonly #map: Map<K, V>;

  constructor(map: Map<K, V> = new Map()) {
    this.#map = map;
  }

  /** Adds entries to the map shared by all views and answers a new view. */
  with(entries: Iterable<readonly [K, V]>): ResultMap<K, V> {
    for (const [key, value] of entries) this.#map.set(key, value);
    return new ResultMap(this.#map);
  }

  get size(): number { return this.#map.size; }
  get(key: K): V | undefined { return this.#map.get(key); }
  has(key: K): boolean { return this.#map.has(key); }
  keys(): MapIterator<K> { return this.#map.keys(); }
  values(): MapIterator<V> { return this.#map.values(); }
  entries(): MapIterator<[K, V]> { return this.#map.entries(); }
  [Symbol.iterator](): MapIterator<[K, V]> { return this.#map.entries(); }
  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.#map) visit(value, key, this);
  }
}
