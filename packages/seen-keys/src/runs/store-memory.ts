/**
 * What all stores of a process share: the bytes that their Bloom filters may take together, and the turn to merge
 * runs, which needs a filter's memory for a while. A run that gets no filter is looked up on disk for every key.
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

  /** False: there is no room, and nothing was taken. */
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
