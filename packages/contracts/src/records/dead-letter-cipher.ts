import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** Keys for dead letters at rest, newest first. The first key encrypts; every key decrypts. */
export interface DeadLetterKeys {
  readonly current: { readonly id: string; readonly key: Buffer }
  readonly all: ReadonlyMap<string, Buffer>
}

/** A letter cannot be opened, because its key is not configured or its bytes were changed. */
export class SealedLetterError extends Error {
  override readonly name = 'SealedLetterError'
}

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEX_KEY = /^[\da-f]{64}$/i
const KEY_ID = /^[\w.-]{1,64}$/

/**
 * Parses entries of the form `id:key`, newest first, where a key is 64 hex digits. Returns undefined for no entries.
 * Throws a `RangeError` that names a bad entry by its number, never its text.
 */
export const parseDeadLetterKeys = (entries: readonly string[]): DeadLetterKeys | undefined => {
  const keys = entries.map((entry, index) => {
    const [id = '', hex = '', ...rest] = entry.split(':')
    // An entry without a colon, or with the halves swapped, has its key where the id belongs.
    if (!KEY_ID.test(id) || HEX_KEY.test(id) || !HEX_KEY.test(hex) || rest.length > 0) {
      throw new RangeError(
        `entry ${index + 1} is not id:key, an id of 1 to 64 letters, digits, dots, dashes or underscores and a key of ` +
          `${2 * KEY_BYTES} hex digits`,
      )
    }
    return { id, key: Buffer.from(hex, 'hex') }
  })
  const [current] = keys
  if (current === undefined) return undefined
  const all = new Map(keys.map(({ id, key }) => [id, key]))
  if (all.size < keys.length) throw new RangeError('two keys have the same id')
  return { current, all }
}

/** Encrypts with AES-256-GCM. The result is nonce, ciphertext and tag; the tag also authenticates the id of the key. */
export const sealBody = ({ current }: DeadLetterKeys, body: Buffer): Buffer => {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, current.key, nonce)
  cipher.setAAD(Buffer.from(current.id))
  return Buffer.concat([nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()])
}

/** Decrypts what `sealBody` made. Throws a `SealedLetterError`. */
export const openBody = (keys: DeadLetterKeys | undefined, keyId: string, sealed: Buffer): Buffer => {
  const key = keys?.all.get(keyId)
  if (key === undefined)
    throw new SealedLetterError(`the letter is sealed with key ${keyId}, which is not given`)
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new SealedLetterError('the sealed letter is cut off')
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES))
  decipher.setAAD(Buffer.from(keyId))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    throw new SealedLetterError(`the sealed letter was changed, or its key ${keyId} is another one`)
  }
}
