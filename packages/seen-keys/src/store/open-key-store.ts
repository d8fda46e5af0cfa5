import { mkdirSync, rmSync } from 'node:fs'
import { StoreDamagedError } from '../sorted-runs/damage.ts'
import { KeyStore, type KeyStoreOptions } from './key-store.ts'
import { readManifest } from './manifest.ts'

export interface OpenedStore {
  readonly store: KeyStore
  /** Why the old store was discarded; undefined when it was used, or when there was none. */
  readonly discarded?: string
}

/**
 * Opens the store in a folder when it is undamaged, belongs to the same partition of the same cluster and topic, and
 * its state offset is in the log. Otherwise deletes it and creates an empty store at the log's start. Rejects with a
 * `StoreNewerError`, and deletes nothing, when a newer version has written it.
 */
export const openKeyStore = async (
  options: KeyStoreOptions & {
    /** First offset of the state partition. */
    readonly logStart: bigint
    /** Offset of the barrier: everything before it is committed. */
    readonly barrier: bigint
  },
): Promise<OpenedStore> => {
  const { folder, logStart, barrier } = options
  const found = await tryOpen(options)
  if (found instanceof KeyStore) {
    if (found.stateOffset >= logStart && found.stateOffset <= barrier) return { store: found }
    await found.close()
  }
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const store = KeyStore.create(options, logStart)
  const discarded = found instanceof KeyStore ? 'its offset is not in the log' : found
  return { store, ...(discarded !== undefined && { discarded }) }
}

/** A text says why it cannot be used; undefined: there is no store. */
const tryOpen = async (options: KeyStoreOptions): Promise<KeyStore | string | undefined> => {
  try {
    const manifest = readManifest(options.folder)
    if (manifest === undefined) return undefined
    for (const name of ['clusterId', 'topic', 'partition', 'identity'] as const) {
      if (manifest.whose[name] !== options.whose[name]) return `its ${name} differs`
    }
    return await KeyStore.load(options, manifest)
  } catch (error) {
    if (error instanceof StoreDamagedError) return error.message
    throw error
  }
}
