import type { ClusterEnds } from '../rig/cluster-state.ts'

export interface Stall {
  readonly what: string
  readonly ms: number
  /** When it was last seen to stand still, of `performance.now()`. */
  readonly until: number
}

/** The longest time that something with work left stood still although every broker was in sync. */
export class Stalls {
  #still = new Map<string, { readonly position: bigint; readonly since: number }>()
  #longest: Stall | undefined

  get longest(): Stall | undefined {
    return this.#longest
  }

  /** What is there at a time, of `performance.now()`; undefined: it could not be looked at. */
  note(now: number, ends: ClusterEnds | undefined): void {
    const before = this.#still
    this.#still = new Map()
    if (ends?.isWhole !== true) return
    for (const { what, position } of ends.open) {
      const last = before.get(what)
      const since = last?.position === position ? last.since : now
      this.#still.set(what, { position, since })
      if (now - since > (this.#longest?.ms ?? 0)) this.#longest = { what, ms: now - since, until: now }
    }
  }
}

const LOOK_MS = 2_000

export const backlogOf = ({ open }: ClusterEnds): number =>
  open.reduce((sum, { isLag, behind }) => sum + (isLag ? Number(behind) : 0), 0)

export interface StallWatch {
  /** Records that groups had still to read when it looked last. */
  readonly backlog: () => number
  /** Returns the longest. */
  readonly stop: () => Stall | undefined
}

/** Looks every 2 s until it is stopped. */
export const watchStalls = (look: () => Promise<ClusterEnds>): StallWatch => {
  const stalls = new Stalls()
  let backlog = 0
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const lookLater = (): void => {
    timer = setTimeout(() => {
      void look()
        .catch(() => undefined)
        .then((ends) => {
          stalls.note(performance.now(), ends)
          if (ends !== undefined) backlog = backlogOf(ends)
          if (!isStopped) lookLater()
        })
    }, LOOK_MS)
  }
  lookLater()
  return {
    backlog: () => backlog,
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      return stalls.longest
    },
  }
}
