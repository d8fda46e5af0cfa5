/** What is due at some time, earliest first: a binary heap. */
export class DueQueue<T> {
  readonly #heap: { readonly dueAt: number; readonly value: T }[] = []

  get size(): number {
    return this.#heap.length
  }

  add(dueAt: number, value: T): void {
    const heap = this.#heap
    let at = heap.length
    heap.push({ dueAt, value })
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.dueAt <= heap[at]!.dueAt) return
      ;[heap[parent], heap[at]] = [heap[at]!, heap[parent]!]
      at = parent
    }
  }

  /** The earliest one if it is due by `now`. */
  take(now: number): T | undefined {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || first.dueAt > now) return undefined
    const last = heap.pop()!
    if (heap.length > 0) {
      heap[0] = last
      this.#sink()
    }
    return first.value
  }

  #sink(): void {
    const heap = this.#heap
    for (let at = 0; ;) {
      const left = 2 * at + 1
      const right = left + 1
      let least = at
      if (left < heap.length && heap[left]!.dueAt < heap[least]!.dueAt) least = left
      if (right < heap.length && heap[right]!.dueAt < heap[least]!.dueAt) least = right
      if (least === at) return
      ;[heap[least], heap[at]] = [heap[at]!, heap[least]!]
      at = least
    }
  }
}
