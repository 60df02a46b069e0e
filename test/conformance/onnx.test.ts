/** ONNX's own reading of initializers: raw, typed, packed, sparse and in files beside the model. */
import { describeReferenceFiles } from "./reference";

describe("ONNX conformance", () => describeReferenceFiles("onnx", 5));
