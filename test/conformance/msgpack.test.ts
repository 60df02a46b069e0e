/** Flax's own reading of its msgpack checkpoints. */
import { describeReferenceFiles } from "./reference";

describe("Flax msgpack conformance", () => describeReferenceFiles("msgpack", 5));
