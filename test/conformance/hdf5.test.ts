/** h5py's own reading of HDF5 files, Keras' among them. */
import { describeReferenceFiles } from "./reference";

describe("HDF5 conformance", () => describeReferenceFiles("hdf5", 6));
