const SLOTS = 1_024
const NAME_BYTES_MAX = 64

interface Known {
  readonly bytes: Buffer
  readonly name: string
}

/** Decodes each header name once, not once per record. Bounded, because senders choose the names. */
export class HeaderNames {
  readonly #slots = new Array<Known | undefined>(SLOTS)

  /** The name in `bytes` from `from` to `to`. */
  read(bytes: Buffer, from: number, to: number): string {
    if (to - from > NAME_BYTES_MAX) return bytes.toString('utf8', from, to)
    let hash = to - from
    for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0
    const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1)
    const known = this.#slots[slot]
    if (known !== undefined && isSame(known.bytes, bytes, from, to)) return known.name
    const name = bytes.toString('utf8', from, to)
    this.#slots[slot] = { bytes: Buffer.from(bytes.subarray(from, to)), name: asPropertyName(name) }
    return name
  }
}

const isSame = (known: Buffer, bytes: Buffer, from: number, to: number): boolean => {
  if (known.length !== to - from) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[from + i]) return false
  return true
}

/** The interned copy of the string, which V8 looks up in objects without comparing characters. */
const asPropertyName = (name: string): string => Object.keys({ [name]: true })[0]!
