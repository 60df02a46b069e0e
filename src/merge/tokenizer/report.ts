import type { Place, Problem } from "../problem";

/** Adds a problem to those of the plan. */
export type Report = (severity: Problem["severity"], code: string, message: string, at: Place) => void;
