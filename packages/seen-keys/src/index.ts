export { BUCKETS_PER_WINDOW } from './bucket.ts'
export { Checkpoint, type CheckpointIdentity } from './checkpoint.ts'
export { filterBytes } from './key-hashing.ts'
export { SeenKeys, type SeenKeysOptions } from './seen-keys.ts'
export { StagedKeys, type Verdict } from './staged-keys.ts'
export {
  chunkKeyOf,
  decodeStateRecord,
  encodeChunk,
  encodeIdentity,
  encodePosition,
  encodeTombstone,
  StateRecordError,
  type Position,
  type SeenKey,
  type StateRecord,
} from './state-record.ts'
