/** torch's element types, by the names that pickles have for them. */

export interface TorchDtype {
  /** In safetensors' spelling; torch's own in capitals where safetensors has none. */
  name: string;
  /** Of one element of a storage. */
  bytes: number;
  /** Elements in each of the storage's, where several are packed into one. */
  packed?: number;
}

const STORAGES: ReadonlyMap<string, TorchDtype> = new Map<string, TorchDtype>([
  ["Double", { name: "F64", bytes: 8 }],
  ["Float", { name: "F32", bytes: 4 }],
  ["Half", { name: "F16", bytes: 2 }],
  ["BFloat16", { name: "BF16", bytes: 2 }],
  ["Long", { name: "I64", bytes: 8 }],
  ["Int", { name: "I32", bytes: 4 }],
  ["Short", { name: "I16", bytes: 2 }],
  ["Char", { name: "I8", bytes: 1 }],
  ["Byte", { name: "U8", bytes: 1 }],
  ["Bool", { name: "BOOL", bytes: 1 }],
  ["ComplexFloat", { name: "C64", bytes: 8 }],
  ["ComplexDouble", { name: "C128", bytes: 16 }],
  ["QInt8", { name: "QINT8", bytes: 1 }],
  ["QUInt8", { name: "QUINT8", bytes: 1 }],
  ["QInt32", { name: "QINT32", bytes: 4 }],
  ["QUInt4x2", { name: "QUINT4X2", bytes: 1, packed: 2 }],
  ["QUInt2x4", { name: "QUINT2X4", bytes: 1, packed: 4 }],
]);

const DTYPES: ReadonlyMap<string, TorchDtype> = new Map<string, TorchDtype>([
  ["float64", { name: "F64", bytes: 8 }],
  ["float32", { name: "F32", bytes: 4 }],
  ["float16", { name: "F16", bytes: 2 }],
  ["bfloat16", { name: "BF16", bytes: 2 }],
  ["float8_e4m3fn", { name: "F8_E4M3", bytes: 1 }],
  ["float8_e4m3fnuz", { name: "F8_E4M3FNUZ", bytes: 1 }],
  ["float8_e5m2", { name: "F8_E5M2", bytes: 1 }],
  ["float8_e5m2fnuz", { name: "F8_E5M2FNUZ", bytes: 1 }],
  ["float8_e8m0fnu", { name: "F8_E8M0", bytes: 1 }],
  // Two values in each element.
  ["float4_e2m1fn_x2", { name: "F4_E2M1_X2", bytes: 1 }],
  ["int64", { name: "I64", bytes: 8 }],
  ["int32", { name: "I32", bytes: 4 }],
  ["int16", { name: "I16", bytes: 2 }],
  ["int8", { name: "I8", bytes: 1 }],
  ["uint64", { name: "U64", bytes: 8 }],
  ["uint32", { name: "U32", bytes: 4 }],
  ["uint16", { name: "U16", bytes: 2 }],
  ["uint8", { name: "U8", bytes: 1 }],
  ["bool", { name: "BOOL", bytes: 1 }],
  ["complex32", { name: "C32", bytes: 4 }],
  ["bcomplex32", { name: "BC32", bytes: 4 }],
  ["complex64", { name: "C64", bytes: 8 }],
  ["complex128", { name: "C128", bytes: 16 }],
  ["bits16", { name: "BITS16", bytes: 2 }],
  ...["bits8", "bits1x8", "bits2x4", "bits4x2", ...[1, 2, 3, 4, 5, 6, 7].flatMap((n) => [`int${n}`, `uint${n}`])].map((name): [string, TorchDtype] => [name, { name: name.toUpperCase(), bytes: 1 }]),
]);

/** The type of a storage class (`torch.FloatStorage`, `torch.cuda.HalfStorage`); `"bytes"` for one without a type. */
export function storageDtype(global: string): TorchDtype | "bytes" | undefined {
  if (/^torch\.(?:storage\.)?UntypedStorage$/.test(global)) return "bytes";
  const kind = /^torch\.(?:cuda\.)?(\w+)Storage$/.exec(global)?.[1];
  return kind === undefined ? undefined : STORAGES.get(kind);
}

/** The type that `torch.float32` and its like name. */
export function dtypeOf(global: string): TorchDtype | undefined {
  return global.startsWith("torch.") ? DTYPES.get(global.slice(6)) : undefined;
}

/** Whether it is the class of plain tensors of one type (`torch.FloatTensor`, `torch.cuda.LongTensor`). */
export function isTensorClass(global: string): boolean {
  return /^torch\.(?:cuda\.)?\w*Tensor$/.test(global);
}
