/**
 * The globals that torch.load loads without trusting the file (`weights_only=True`, torch 2.15), and the names that
 * Python 2 had for some of them.
 */
import type { GlobalUse } from "./pickle";
import type { Finding } from "../protocol/results";
import { grouped, quote } from "./quote";

/** Module → names, as `torch._weights_only_unpickler` lists them. */
const ALLOWED: readonly (readonly [string, string])[] = [
  ["_codecs", "encode"],
  ["builtins", "bytearray complex set"],
  ["collections", "Counter OrderedDict"],
  ["torch",
    "BFloat16Storage BFloat16Tensor BoolStorage BoolTensor ByteStorage ByteTensor CharStorage CharTensor"
    + " ComplexDoubleStorage ComplexFloatStorage DoubleStorage DoubleTensor FloatStorage FloatTensor HalfStorage HalfTensor"
    + " IntStorage IntTensor LongStorage LongTensor QInt32Storage QInt8Storage QUInt2x4Storage QUInt4x2Storage QUInt8Storage"
    + " ShortStorage ShortTensor Size Tensor bcomplex32 bfloat16 bits16 bits1x8 bits2x4 bits4x2 bits8 bool complex128"
    + " complex32 complex64 device float16 float32 float4_e2m1fn_x2 float64 float8_e4m3fn float8_e4m3fnuz float8_e5m2"
    + " float8_e5m2fnuz float8_e8m0fnu int1 int16 int2 int3 int32 int4 int5 int6 int64 int7 int8 per_channel_affine"
    + " per_channel_affine_float_qparams per_channel_symmetric per_tensor_affine per_tensor_symmetric qint32 qint8 quint2x4"
    + " quint4x2 quint8 uint1 uint16 uint2 uint3 uint32 uint4 uint5 uint6 uint64 uint7 uint8"],
  ["torch._tensor", "_rebuild_from_type_v2"],
  ["torch._utils",
    "_rebuild_device_tensor_from_cpu_tensor _rebuild_device_tensor_from_numpy _rebuild_meta_tensor_no_storage"
    + " _rebuild_parameter _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor _rebuild_tensor"
    + " _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_wrapper_subclass"],
  ["torch.cuda",
    "BFloat16Storage BFloat16Tensor BoolStorage BoolTensor ByteStorage ByteTensor CharStorage CharTensor"
    + " ComplexDoubleStorage ComplexFloatStorage DoubleStorage DoubleTensor FloatStorage FloatTensor HalfStorage HalfTensor"
    + " IntStorage IntTensor LongStorage LongTensor ShortStorage ShortTensor"],
  ["torch.cuda.sparse",
    "BFloat16Tensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor"],
  ["torch.nn.parameter", "Parameter"],
  ["torch.serialization", "_get_layout"],
  ["torch.sparse",
    "BFloat16Tensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor"],
  ["torch.storage", "TypedStorage UntypedStorage"],
];

const SAFE: ReadonlySet<string> = new Set(ALLOWED.flatMap(([module, names]) => names.split(" ").map((name) => `${module}.${name}`)));

/** Python 2 module → Python 3 module (`_compat_pickle`, as torch uses it). */
const MODULES: ReadonlyMap<string, string> = new Map([
  ["__builtin__", "builtins"],
  ["copy_reg", "copyreg"],
  ["Queue", "queue"],
  ["repr", "reprlib"],
  ["_abcoll", "collections.abc"],
  ["UserDict", "collections"],
  ["UserList", "collections"],
  ["UserString", "collections"],
  ["whichdb", "dbm"],
  ["StringIO", "io"],
  ["cStringIO", "io"],
]);

/** Python 2 names that moved by themselves. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ["__builtin__.xrange", "builtins.range"],
  ["__builtin__.reduce", "functools.reduce"],
  ["__builtin__.intern", "sys.intern"],
  ["__builtin__.unichr", "builtins.chr"],
  ["__builtin__.unicode", "builtins.str"],
  ["__builtin__.long", "builtins.int"],
  ["itertools.izip", "builtins.zip"],
  ["itertools.imap", "builtins.map"],
  ["itertools.ifilter", "builtins.filter"],
  ["itertools.ifilterfalse", "itertools.filterfalse"],
  ["itertools.izip_longest", "itertools.zip_longest"],
  ["UserDict.IterableUserDict", "collections.UserDict"],
  ["UserList.UserList", "collections.UserList"],
  ["UserString.UserString", "collections.UserString"],
  ["__builtin__.basestring", "builtins.str"],
  ["exceptions.StandardError", "builtins.Exception"],
  ["UserDict.UserDict", "collections.UserDict"],
]);

/** A global's name in Python 3's spelling: protocols below 3 are Python 2's. */
export function globalName(module: string, name: string, protocol: number): string {
  const full = `${module}.${name}`;
  return protocol >= 3 ? full : (NAMES.get(full) ?? `${MODULES.get(module) ?? module}.${name}`);
}

/** Whether loading it is safe whatever it is called with. */
export function isSafeGlobal(name: string): boolean {
  return SAFE.has(name);
}

/** Findings shown one by one; the others are counted. */
const SHOWN = 200;

/** One finding for each global outside the list, those that would be called first. */
export function globalFindings(globals: ReadonlyMap<string, GlobalUse>): Finding[] {
  const unsafe = [...globals].filter(([name]) => !isSafeGlobal(name)).sort(([a, x], [b, y]) => (x === y ? (a < b ? -1 : 1) : x === "called" ? -1 : 1));
  const findings = unsafe.slice(0, SHOWN).map(([name, use]): Finding => {
    const shown = `\`${quote(name).slice(1, -1)}\``;
    return use === "called"
      ? { rule: "unsafe-global", severity: "error", message: `This file would run ${shown} when loaded by torch.load (weights_only=False).` }
      : { rule: "unsafe-global", severity: "warning", message: `This file refers to ${shown}, which torch.load imports only with weights_only=False.` };
  });
  const others = unsafe.length - findings.length;
  if (others > 0) findings.push({ rule: "unsafe-global", severity: "error", message: `This file names ${grouped(others)} more globals that torch.load imports only with weights_only=False.` });
  return findings;
}
