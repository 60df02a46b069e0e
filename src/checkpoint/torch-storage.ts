/** Where the elements of torch's storages lie, whatever the container. */
import type { TorchDtype } from "./torch-dtypes";

export interface TorchStorage {
  /** One object for each run of bytes: tensors with the same one share them. */
  record: StorageRecord;
  /** What the storage's class says; null where only its tensors know. */
  dtype: TorchDtype | null;
  /** Part of the record's bytes, for views of storages. */
  offset: number;
  bytes: number;
}

export interface StorageRecord {
  /** What the file calls it, for messages. */
  name: string;
  /** First byte in the file; null when it is compressed there. */
  fileOffset: number | null;
  bytes: number;
  bigEndian: boolean;
  /** Writes its bytes to a file of their own, for records that are compressed. */
  spool?(signal?: AbortSignal): Promise<string>;
}
