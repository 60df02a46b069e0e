/** What tests of stores stand on: a page and its host in one process. */
import assert from "node:assert/strict";
import type { Packet, Port } from "../../../src/protocol/rpc";

/** Two ends; packets are cloned as between a page and its host, and arrive later. */
export function wire(): [Port, Port] {
  const receivers: ((packet: Packet) => void)[] = [];
  const end = (mine: number): Port => ({
    post(packet) {
      const copy = structuredClone(packet);
      setImmediate(() => receivers[1 - mine]?.(copy));
    },
    listen(receive) {
      receivers[mine] = receive;
      return () => { receivers[mine] = () => undefined; };
    },
  });
  return [end(0), end(1)];
}

export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(condition(), "it did not happen");
}
