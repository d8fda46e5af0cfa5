import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Bucket } from './bucket.ts'
import { StoreDamagedError, StoreNewerError } from '../sorted-runs/damage.ts'

/** Identity of the partition whose keys a store holds. The keys of any other identity are discarded. */
export interface StoreIdentity {
  readonly clusterId: string
  readonly topic: string
  readonly partition: number
  /** From the `identity` record of the state partition. */
  readonly identity: string
}

/**
 * Contents of a store's folder. The file is replaced as a whole, by a rename. Files that it does not name do not
 * count.
 */
export interface Manifest {
  readonly format: number
  readonly whose: StoreIdentity
  /** Multipliers of the hashes in the filters, hex. */
  readonly salt: string
  /** Number of the first WAL file that follows the sorted runs. */
  readonly wal: number
  readonly runs: readonly { readonly file: string; readonly crc: number; readonly bucket: Bucket }[]
  /** The keys of each chunk, by bucket. */
  readonly chunks: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly stateOffset: string
  readonly position: string
}

export const MANIFEST_FORMAT = 1
const NAME = 'manifest'

/** undefined: there is no manifest. Throws a `StoreDamagedError`, or a `StoreNewerError`. */
export const readManifest = (folder: string): Manifest | undefined => {
  const file = join(folder, NAME)
  if (!existsSync(file)) return undefined
  const text = readFileSync(file, 'utf8')
  const lineEnd = text.indexOf('\n')
  const body = text.slice(lineEnd + 1)
  if (lineEnd < 0 || text.slice(0, lineEnd) !== checksum(body)) {
    throw new StoreDamagedError('its manifest is damaged')
  }
  const manifest = JSON.parse(body) as Manifest
  if (manifest.format > MANIFEST_FORMAT) {
    throw new StoreNewerError(
      `the checkpoint in ${folder} was written by a newer version of Weir (format ${manifest.format}; this version reads ` +
        `${MANIFEST_FORMAT}): start that version, or set STATE_DIR to an empty folder, which is filled from the changelog topic`,
    )
  }
  if (manifest.format !== MANIFEST_FORMAT)
    throw new StoreDamagedError(`its format is ${manifest.format}, not ${MANIFEST_FORMAT}`)
  return manifest
}

/**
 * Resolves when the files that the manifest names, and then the manifest, are safe from a power cut. If `isWanted`
 * finally returns false, nothing has changed.
 */
export const publishManifest = async (
  folder: string,
  manifest: Manifest,
  newFiles: readonly string[],
  isWanted: () => boolean,
): Promise<void> => {
  for (const file of newFiles) await syncFile(file)
  const temporary = join(folder, `${NAME}.new`)
  writeText(temporary, manifest)
  await syncFile(temporary)
  if (!isWanted()) return
  renameSync(temporary, join(folder, NAME))
  await syncFile(folder)
}

/** For an empty folder. */
export const writeFirstManifest = (folder: string, manifest: Manifest): void => {
  const temporary = join(folder, `${NAME}.new`)
  writeText(temporary, manifest)
  const fd = openSync(temporary, 'r')
  fsyncSync(fd)
  closeSync(fd)
  renameSync(temporary, join(folder, NAME))
}

const checksum = (body: string): string => crc32(body).toString(16).padStart(8, '0')

const writeText = (file: string, manifest: Manifest): void => {
  const body = JSON.stringify(manifest)
  const bytes = Buffer.from(`${checksum(body)}\n${body}`)
  const fd = openSync(file, 'w', 0o600)
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
  } finally {
    closeSync(fd)
  }
}

const syncFile = async (file: string): Promise<void> => {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Deletes the manifest, so that nothing in the folder counts any more. */
export const forgetManifest = (folder: string): void => {
  rmSync(join(folder, NAME), { force: true })
}
