import { HEADER } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'

export type SequenceFinding = 'gap' | 'out_of_order'

/** Interactions that are remembered per partition; a power of two. */
const INTERACTIONS_MAX = 32_768
const FNV_OFFSET = 0x811c9dc5 | 0
const FNV_PRIME = 0x01000193
const DIGITS_MAX = 15

/**
 * Tracks the sequence numbers of a partition's interactions, for metrics only. Bounded: an interaction replaces
 * another one in the same slot, and a forgotten interaction starts again with its next event. So a gap may go
 * unnoticed, and no false gap is counted (except after a collision of 32 bits).
 */
export class SequenceWatch {
  readonly #hashes = new Int32Array(INTERACTIONS_MAX)
  /** The highest number so far; 0: unknown. */
  readonly #highest = new Float64Array(INTERACTIONS_MAX)

  /** Call for each event that passes, in order. undefined: the event follows the previous one, or nothing is known. */
  observe({ key, headers }: InputRecord): SequenceFinding | undefined {
    const number = parseSequence(headers[HEADER.providerSequence])
    if (key === null || number === undefined) return undefined
    const hash = hashOf(key)
    const slot = hash & (INTERACTIONS_MAX - 1)
    const highest = this.#hashes[slot] === hash ? this.#highest[slot]! : 0
    this.#hashes[slot] = hash
    this.#highest[slot] = Math.max(highest, number)
    if (highest === 0) return undefined
    if (number < highest) return 'out_of_order'
    return number > highest + 1 ? 'gap' : undefined
  }
}

/** Accepts positive integers only, because the text comes from a provider. */
const parseSequence = (text: Buffer | undefined): number | undefined => {
  if (text === undefined || text.length === 0 || text.length > DIGITS_MAX) return undefined
  let number = 0
  for (const byte of text) {
    const digit = byte - 0x30
    if (digit < 0 || digit > 9) return undefined
    number = number * 10 + digit
  }
  return number === 0 ? undefined : number
}

/** FNV-1a. */
const hashOf = (bytes: Buffer): number => {
  let hash = FNV_OFFSET
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME)
  return hash ^ (hash >>> 15)
}
