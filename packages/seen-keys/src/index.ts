export { bucketOf, BUCKETS_PER_WINDOW, isExpired, parseBucket, type Bucket } from './bucket.ts'
export { StoreDamagedError, StoreNewerError } from './damage.ts'
export { FolderLockedError, lockFolder } from './folder-lock.ts'
export { filterBytes } from './key-filter.ts'
export type { KeyStore, KeyStoreOptions } from './key-store.ts'
export { ENTRY_BYTES } from './key-table.ts'
export type { StoreIdentity } from './manifest.ts'
export { openKeyStore, type OpenedStore } from './open-key-store.ts'
export { RUNS_MAX } from './run-merging.ts'
export { SeenKeys, type SeenKeysOptions } from './seen-keys.ts'
export { StagedKeys, stateRecordsOf, type StagedChange, type Verdict } from './staged-keys.ts'
export {
  bucketNameOf,
  CHUNK_KEYS_MAX,
  chunkIdOf,
  chunkKeyOf,
  decodeStateRecord,
  encodeChunk,
  encodeIdentity,
  encodePosition,
  encodeTombstone,
  isPositionKey,
  parsePosition,
  StateRecordError,
  type Position,
  type StateRecord,
} from './state-record.ts'
export { StoreMemory } from './store-memory.ts'
