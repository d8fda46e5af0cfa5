/**
 * What all stores of a process share: the bytes that their Bloom filters may take together, and the turn to merge
 * sorted runs, because a merge needs a filter's memory for a while. A sorted run without a filter is read from disk
 * for every lookup.
 */
export class StoreMemory {
  readonly #bytesMax: number
  #bytes = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  hasRoom(bytes: number): boolean {
    return this.#bytes + bytes <= this.#bytesMax
  }

  /** Returns false, and takes nothing, when there is no room. */
  take(bytes: number): boolean {
    if (!this.hasRoom(bytes)) return false
    this.#bytes += bytes
    return true
  }

  give(bytes: number): void {
    this.#bytes -= bytes
  }

  /** Runs one action at a time. */
  inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action)
    this.#turn = result.catch(() => undefined)
    return result
  }
}
