/** HDF5 datatypes as element types. */
import type { Metadata } from "h5wasm";

export interface ElementType {
  /** Safetensors' spelling for plain numbers, else the class of the type. */
  dtype: string;
  unreadable?: string;
}

/** `H5T_class_t`. */
const INTEGER = 0, FLOAT = 1, OPAQUE = 5, COMPOUND = 6, ENUM = 8;
const OTHERS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [2, ["TIME", "time type"]], [3, ["STRING", "text"]], [4, ["BITFIELD", "bit field type"]], [7, ["REFERENCE", "reference type"]], [9, ["VLEN", "variable-length type"]], [10, ["ARRAY", "array type"]],
]);

/**
 * The elements of a dataset.
 * @param dtypeAttribute its attribute `dtype`, by which Keras 3 says what its opaque bytes are.
 */
export function elementTypeOf(metadata: Metadata, dtypeAttribute: () => unknown): ElementType {
  const { type, size } = metadata;
  if (metadata.shape === null) return { dtype: "NULL", unreadable: "null dataspace: no data" };
  if (metadata.virtual_sources !== undefined) return { dtype: elementTypeOf({ ...metadata, virtual_sources: undefined } as unknown as Metadata, dtypeAttribute).dtype, unreadable: "a virtual dataset: its elements are in other datasets" };
  if (type === INTEGER || type === ENUM) {
    if (type === ENUM && isBoolean(metadata)) return { dtype: "BOOL" };
    return [1, 2, 4, 8].includes(size) ? { dtype: `${metadata.signed ? "I" : "U"}${8 * size}` } : { dtype: `INTEGER${8 * size}`, unreadable: `integers of ${size} bytes` };
  }
  if (type === FLOAT) return [2, 4, 8].includes(size) ? { dtype: `F${8 * size}` } : { dtype: `FLOAT${8 * size}`, unreadable: `floating-point numbers of ${size} bytes` };
  if (type === OPAQUE) return size === 2 && dtypeAttribute() === "bfloat16" ? { dtype: "BF16" } : { dtype: `OPAQUE${size}`, unreadable: "opaque type" };
  if (type === COMPOUND) {
    const width = complexWidth(metadata);
    return width === undefined ? { dtype: "COMPOUND", unreadable: "compound type" } : { dtype: `C${8 * width}`, unreadable: `values of dtype C${8 * width} cannot be decoded` };
  }
  const [dtype, unreadable] = OTHERS.get(type) ?? ["UNKNOWN", "a type that is not known"];
  return { dtype, unreadable };
}

/** NumPy's booleans are an enumeration in HDF5. */
function isBoolean({ enum_type, size }: Metadata): boolean {
  const members = enum_type?.members ?? {};
  return size === 1 && Object.keys(members).length === 2 && members["FALSE"] === 0 && members["TRUE"] === 1;
}

/** NumPy's complex numbers are a compound of two floats, `r` and `i`; their size. */
function complexWidth({ compound_type, size }: Metadata): number | undefined {
  const members = compound_type?.members ?? [];
  const [real, imaginary] = members;
  const isPair = members.length === 2 && real?.name === "r" && imaginary?.name === "i" && [real, imaginary].every((member) => member.type === FLOAT && 2 * member.size === size);
  return isPair && (size === 8 || size === 16) ? size : undefined;
}
