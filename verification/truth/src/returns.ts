import type { Observed, ObservedLetter, ObservedRow } from './observed.ts'
import type { FinishedOperation } from './operation.ts'

/** What was observed, as it is to be judged after replays. */
export interface Settled extends Observed {
  /** Letters of normalizer and persistence at which an event ends: those that did not return to one of the two. */
  readonly standing: readonly ObservedLetter[]
}

/**
 * A letter that returned to its stage is superseded: the event ends where that led, once, however often it was
 * replayed. What an approved conflict or a fixed body became is taken by dedup like something new, so it counts as
 * sent. A body that a fix-up edited further on stands for the one that came in.
 */
export const applyReturns = (
  observed: Observed,
): { readonly settled: Settled; readonly reentered: readonly FinishedOperation[] } => {
  const { rows, letters, returns } = observed
  const superseded = new Set<string>()
  const places = new Map(letters.map((letter) => [letter.place, letter]))
  const originals = new Map<string, string>()
  const reentered: FinishedOperation[] = []
  for (const one of returns) {
    const { stage, letter, source, eventKey, rawHash } = one
    if (stage === 'dedup') {
      reentered.push({ kind: 'event', result: 'acked', source, eventKey, rawHash })
      continue
    }
    superseded.add(letter)
    const original = places.get(letter)?.rawHash
    if (original !== undefined && original !== rawHash) originals.set(bodyOf(one), original)
  }
  const asItCameIn = <T extends ObservedRow>(row: T): T => {
    let { rawHash } = row
    // One edit may follow another, and two may undo each other.
    for (let edits = 0; edits < originals.size; edits++) {
      const original = originals.get(bodyOf({ ...row, rawHash }))
      if (original === undefined) break
      rawHash = original
    }
    return rawHash === row.rawHash ? row : { ...row, rawHash }
  }
  const cameIn = originals.size === 0 ? letters : letters.map(asItCameIn)
  return {
    settled: {
      ...observed,
      rows: originals.size === 0 ? rows : rows.map(asItCameIn),
      letters: cameIn,
      standing: cameIn.filter(({ stage, place }) => stage !== 'dedup' && !superseded.has(place)),
    },
    reentered,
  }
}

const bodyOf = ({ source, eventKey, rawHash }: ObservedRow): string => `${source} ${eventKey} ${rawHash}`
