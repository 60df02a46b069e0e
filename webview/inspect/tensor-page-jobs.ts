/** The jobs of one inspector: what its pages asked of the host. */
import { effect } from "@preact/signals";
import { Jobs } from "../frame/jobs";
import type { InspectStore } from "./store";

const perStore = new WeakMap<InspectStore, Jobs>();

/** The jobs of that view. */
export function jobsOf(store: InspectStore): Jobs {
  let jobs = perStore.get(store);
  if (jobs === undefined) {
    const created = (jobs = new Jobs());
    perStore.set(store, created);
    let overview = store.overview.peek();
    effect(() => {
      const next = store.overview.value;
      if (next === overview) return;
      overview = next;
      created.clear();
    });
  }
  return jobs;
}
