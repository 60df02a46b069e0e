/** NumPy's own reading of arrays and archives: plain, odd and refused. */
import { describeReferenceFiles } from "./reference";

describe("NumPy conformance", () => describeReferenceFiles("numpy", 30));
