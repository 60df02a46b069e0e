/**
 * Leading modules that one model's names have and the other's lack (`base_model.model.`, `module.`, `transformer.` …), or that both
 * have under different names. Found by voting: no list of prefixes could be complete.
 */
import { quote } from "../quote";
import { comparable, type Side, type Sides } from "./sides";

/** Longer names are no module paths. */
const LONGEST_NAME = 1000;
/** Most modules in a prefix. */
const DEEPEST = 8;
/** Most tensors that vote. */
const MOST_VOTERS = 4096;
/** Most prefixes that are applied, one after the other. */
const MOST_ROUNDS = 32;
/** A prefix is ambiguous when another, for the same tensors, has at least this share of its votes. */
const RIVAL = 0.5;
/** Votes that it takes to exchange one prefix for another. */
const ENOUGH_TO_EXCHANGE = 3;

/** What stands before the rest of a name on either side; one may be empty. */
interface Exchange {
  a: string;
  b: string;
}

interface Candidate extends Exchange {
  votes: number;
  /** Of tensors of equal shape. */
  fitting: number;
  /** Voters of A and B. */
  ofA: Set<number>;
  ofB: Set<number>;
}

/** Applies the prefixes with the most votes until none has enough. */
export function pairByPrefix(sides: Sides): void {
  const tried = new Set<string>();
  for (let round = 0; round < MOST_ROUNDS && !sides.done; round++) {
    const candidates = added(sides).filter((candidate) => !tried.has(idOf(candidate)));
    const found = choose(sides, candidates) ?? choose(sides, exchanged(sides).filter((candidate) => !tried.has(idOf(candidate))));
    if (found === undefined) return;
    tried.add(idOf(found));
    apply(sides, found);
  }
}

function idOf({ a, b }: Exchange): string {
  return a === "" ? `prefix:${b}` : b === "" ? `prefix:${a}` : `prefix:${a}=${b}`;
}

function sentenceOf({ a, b }: Exchange): string {
  if (a === "") return `${quote(b)} at the start of B's names is left out`;
  return b === "" ? `${quote(a)} at the start of A's names is left out` : `${quote(a)} at the start of A's names is ${quote(b)} in B`;
}

/** The candidate to apply next; rivals for the same tensors are listed, and none of them is applied. */
function choose(sides: Sides, candidates: Candidate[]): Candidate | undefined {
  const sorted = candidates.filter(({ votes, fitting }) => fitting > 0 && 2 * fitting >= votes).sort((x, y) => y.fitting - x.fitting || (idOf(x) < idOf(y) ? -1 : 1));
  const blocked = new Set<Candidate>();
  for (const candidate of sorted) {
    const off = sides.isOff(idOf(candidate));
    if (off) {
      sides.rule(idOf(candidate), sentenceOf(candidate));
      continue;
    }
    if (blocked.has(candidate)) continue;
    const rivals = sorted.filter((other) => other !== candidate && !sides.isOff(idOf(other)) && other.fitting >= RIVAL * candidate.fitting && (overlap(other.ofA, candidate.ofA) || overlap(other.ofB, candidate.ofB)));
    if (rivals.length === 0) return candidate;
    for (const rival of [candidate, ...rivals]) {
      blocked.add(rival);
      sides.rule(idOf(rival), `${sentenceOf(rival)}, unless another prefix fits as well: switch that off to use this`);
    }
  }
  return undefined;
}

function overlap(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  for (const i of a) if (b.has(i)) return true;
  return false;
}

/** Gives every name that starts with the prefix the other's, and pairs what then has one name. */
function apply(sides: Sides, exchange: Exchange): void {
  const rule = sides.rule(idOf(exchange), sentenceOf(exchange));
  const { a, b } = sides;
  const names = a.byKey();
  const counts = new Map<number, number>();
  const matches: [number, number][] = [];
  for (const j of b.open()) {
    const key = b.keys[j]!;
    if (!key.startsWith(exchange.b)) continue;
    const i = names.get(exchange.a + key.slice(exchange.b.length));
    if (i === undefined || i === null) continue;
    counts.set(i, (counts.get(i) ?? 0) + 1);
    matches.push([i, j]);
  }
  for (const [i, j] of matches) if (counts.get(i) === 1) sides.join(i, j, rule);
  // What is left is spelled alike for the rules that follow.
  const [side, from, to] = exchange.b === "" ? [a, exchange.a, ""] : [b, exchange.b, exchange.a];
  for (const i of side.open()) {
    const key = side.keys[i]!;
    if (key.startsWith(from) && key !== from) side.rename(i, to + key.slice(from.length));
  }
}

/** Prefixes that only one side has. */
function added(sides: Sides): Candidate[] {
  const { a, b } = sides;
  const [namesA, namesB] = [a.byKey(), b.byKey()];
  const candidates = new Map<string, Candidate>();
  for (const j of voters(b)) {
    for (const [prefix, rest] of leads(b.keys[j]!)) {
      const i = namesA.get(rest);
      if (i !== undefined && i !== null) vote(sides, candidates, { a: "", b: prefix }, i, j);
    }
  }
  for (const i of voters(a)) {
    for (const [prefix, rest] of leads(a.keys[i]!)) {
      const j = namesB.get(rest);
      if (j !== undefined && j !== null) vote(sides, candidates, { a: prefix, b: "" }, i, j);
    }
  }
  return [...candidates.values()];
}

/** Prefixes that take each other's place, by the longest ends that names have in common: two modules at least. */
function exchanged(sides: Sides): Candidate[] {
  const { a, b } = sides;
  const ends = new Map<string, { tensor: number; prefix: string } | null>();
  for (const i of voters(a)) {
    for (const [prefix, rest] of leads(a.keys[i]!)) if (rest.includes(".") || rest.includes("/")) ends.set(rest, ends.has(rest) ? null : { tensor: i, prefix });
  }
  const candidates = new Map<string, Candidate>();
  for (const j of voters(b)) {
    for (const [prefix, rest] of leads(b.keys[j]!)) {
      const end = ends.get(rest);
      if (end === undefined) continue;
      if (end !== null) vote(sides, candidates, reduced(end.prefix, prefix), end.tensor, j);
      break;
    }
  }
  const fewest = Math.min(voters(a).length, voters(b).length);
  return [...candidates.values()].filter(({ fitting }) => fitting >= ENOUGH_TO_EXCHANGE && 2 * fitting >= fewest);
}

/** Two prefixes without the modules that both end with. */
function reduced(a: string, b: string): Exchange {
  const separator = a.at(-1)!;
  // A last, empty part keeps the separator at the end.
  const [x, y] = [a.split(separator), b.split(separator)];
  while (x.length > 1 && y.length > 1 && x.at(-2) === y.at(-2)) {
    x.splice(-2, 1);
    y.splice(-2, 1);
  }
  return { a: x.join(separator), b: y.join(separator) };
}

function vote(sides: Sides, candidates: Map<string, Candidate>, exchange: Exchange, i: number, j: number): void {
  const id = idOf(exchange);
  let candidate = candidates.get(id);
  if (candidate === undefined) candidates.set(id, (candidate = { ...exchange, votes: 0, fitting: 0, ofA: new Set(), ofB: new Set() }));
  candidate.votes++;
  if (!comparable(sides.a.tensors[i]!.shape, sides.b.tensors[j]!.shape)) return;
  candidate.fitting++;
  candidate.ofA.add(i);
  candidate.ofB.add(j);
}

/** Every way to cut leading modules off a name, the shortest prefix first, each with its separator. */
function leads(name: string): [prefix: string, rest: string][] {
  const cuts: [string, string][] = [];
  const separator = name.includes(".") ? "." : "/";
  for (let at = name.indexOf(separator); at >= 0 && at + 1 < name.length && cuts.length < DEEPEST; at = name.indexOf(separator, at + 1)) {
    cuts.push([name.slice(0, at + 1), name.slice(at + 1)]);
  }
  return cuts;
}

/** A number other than 0 among the modules. */
const LATER_LAYER = /(?:^|[._/])0*[1-9]\d*(?:[._/]|$)/;

/**
 * Open tensors that stand for all: those of the first of every repeated layer, which are the same on both sides; where there are
 * none, evenly spread ones.
 */
function voters(side: Side): number[] {
  const open = side.open().filter((i) => side.keys[i]!.length <= LONGEST_NAME);
  const first = open.length <= MOST_VOTERS ? open : open.filter((i) => !LATER_LAYER.test(side.keys[i]!));
  const all = first.length > 0 ? first : open;
  const step = Math.ceil(all.length / MOST_VOTERS);
  return step <= 1 ? all : all.filter((_, at) => at % step === 0);
}
