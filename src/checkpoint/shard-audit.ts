/** Collects where an index and its shards disagree: one finding per rule and shard, however many tensors it concerns. */
import type { Finding, Severity } from "../protocol/results";
import type { ShardIndex } from "./index-file";
import { grouped, quote } from "./quote";

/** Tensor names shown in one finding. */
const SHOWN = 3;

const RULES = {
  absent: {
    rule: "tensor-not-in-shard",
    severity: "error",
    says: (tensors: string, shard: string) => `${tensors}: the index says in the shard ${shard}, which does not hold them.`,
  },
  twice: {
    rule: "tensor-in-two-shards",
    severity: "error",
    says: (tensors: string, shard: string) => `${tensors}: also in the shard ${shard}; only the other copy is shown.`,
  },
  repeated: {
    rule: "tensor-in-two-shards",
    severity: "error",
    says: (tensors: string, shard: string) => `${tensors}: listed twice by the index, first in the shard ${shard}.`,
  },
  elsewhere: {
    rule: "tensor-in-other-shard",
    severity: "warning",
    says: (tensors: string, shard: string) => `${tensors}: in the shard ${shard}, not where the index says.`,
  },
  unlisted: {
    rule: "tensor-not-in-index",
    severity: "warning",
    says: (tensors: string, shard: string) => `${tensors}: in the shard ${shard} but not in the index; loaders leave them out.`,
  },
} satisfies Record<string, { rule: string; severity: Severity; says(tensors: string, shard: string): string }>;

type Rule = keyof typeof RULES;

export class ShardAudit {
  private readonly cases = new Map<string, { rule: Rule; shard: number; count: number; names: string[] }>();

  constructor(private readonly index: ShardIndex) {
    for (const { name, shard } of index.repeated) this.add("repeated", name, shard);
  }

  /** Listed for `shard`, which does not hold it; nor does any other. */
  absent(name: string, shard: number): void {
    this.add("absent", name, shard);
  }

  /** A second copy is in `shard`. */
  twice(name: string, shard: number): void {
    this.add("twice", name, shard);
  }

  /** Only in `shard`, which is not the one listed. */
  elsewhere(name: string, shard: number): void {
    this.add("elsewhere", name, shard);
  }

  /** In `shard` but not listed. */
  unlisted(name: string, shard: number): void {
    this.add("unlisted", name, shard);
  }

  /** Errors first, else in the order they were met. */
  findings(): Finding[] {
    const findings = [...this.cases.values()].map(({ rule, shard, count, names }): Finding => {
      const { rule: id, severity, says } = RULES[rule];
      const shown = names.map(quote).join(", ") + (count > names.length ? ` and ${grouped(count - names.length)} more tensors` : "");
      return { rule: id, severity, ...(count === 1 ? { tensor: names[0]! } : {}), message: says(shown, quote(this.index.shards[shard]!)) };
    });
    return findings.sort((a, b) => Number(a.severity !== "error") - Number(b.severity !== "error"));
  }

  private add(rule: Rule, name: string, shard: number): void {
    const key = `${rule} ${shard}`;
    let found = this.cases.get(key);
    if (found === undefined) this.cases.set(key, (found = { rule, shard, count: 0, names: [] }));
    if (++found.count <= SHOWN) found.names.push(name);
  }
}
